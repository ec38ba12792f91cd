import { posix } from 'node:path';
import { z } from 'zod';
import { isPlainName, renderSource, type HubSource, type Source } from '../../lib/config/source.js';
import { ConfigError } from '../../lib/errors.js';
import {
  isOfModel,
  onTheWay,
  reasonOf,
  TransientError,
  type Checksum,
  type Remote,
  type RemoteFile,
  type SourceKind,
} from './remote.js';

/** How the hub is reached. */
export interface HubAccess {
  /** `https://huggingface.co`, or a mirror's. */
  readonly endpoint: string;
  /** Null for what everybody may read. */
  readonly token: string | null;
}

const noUrl = { protocol: '', username: '', password: '' };

/** By HF_ENDPOINT and HF_TOKEN, as Hugging Face's own tools. @throws ConfigError where the first is none */
export function hubAccess(env: NodeJS.ProcessEnv): HubAccess {
  const endpoint = env['HF_ENDPOINT'] || 'https://huggingface.co';
  const { protocol, username, password } = URL.canParse(endpoint) ? new URL(endpoint) : noUrl;
  // What it says is shown in messages.
  if (!/^https?:$/.test(protocol) || username !== '' || password !== '')
    throw new ConfigError('HF_ENDPOINT must be an http or https URL without a password');
  return { endpoint: endpoint.replace(/\/+$/, ''), token: env['HF_TOKEN'] || null };
}

const revisionSchema = z.object({ sha: z.string().regex(/^[0-9a-f]{40}$/) });
const entrySchema = z.object({
  type: z.string(),
  path: z.string(),
  size: z.number().int().nonnegative(),
  oid: z.string(),
  lfs: z.object({ oid: z.string(), size: z.number().int().nonnegative() }).optional(),
});
type Entry = z.infer<typeof entrySchema>;

/** A folder of a model has few files; who lists more at us means something else. */
const MAX_ENTRIES = 10_000;

/** A repository of the Hugging Face Hub. Its API is asked in plain HTTP, as it is documented. */
export class HubRemote implements Remote {
  readonly #source: HubSource;
  readonly #kind: SourceKind;
  readonly #access: HubAccess;

  constructor(source: HubSource, kind: SourceKind, access: HubAccess) {
    this.#source = source;
    this.#kind = kind;
    this.#access = access;
  }

  async pin(signal: AbortSignal): Promise<Source> {
    const revision = encodeURIComponent(this.#source.revision ?? 'main');
    const response = await this.#get(`${this.#api}/revision/${revision}`, {}, signal);
    const { sha } = await this.#parse(revisionSchema, response);
    return { ...this.#source, revision: sha };
  }

  async list(signal: AbortSignal): Promise<readonly RemoteFile[]> {
    const { path } = this.#source;
    const folder = this.#kind === 'directory' ? path : posix.dirname(path).replace(/^\.$/, '');
    const files = (await this.#entries(folder, signal)).filter(({ type }) => type === 'file');
    const wanted = files.filter((entry) =>
      this.#kind === 'file' ? entry.path === path : isOfModel(posix.basename(entry.path)),
    );
    if (wanted.length === 0) {
      const lacks = this.#kind === 'file' ? 'no such file' : 'no files of a model';
      throw new ConfigError(`${this.#name}: there is ${lacks}: see its files on ${this.#access.endpoint}`);
    }
    return wanted.map((entry) => this.#fileOf(entry)).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get #name(): string {
    return renderSource(this.#source);
  }

  get #repository(): string {
    const { type, repository } = this.#source;
    return `${type}s/${repository}`;
  }

  get #api(): string {
    return `${this.#access.endpoint}/api/${this.#repository}`;
  }

  #fileOf({ path, size, oid, lfs }: Entry): RemoteFile {
    const name = posix.basename(path);
    if (!isPlainName(name)) throw new ConfigError(`${this.#name}: has a file of a name that none can have`);
    const checksum: Checksum =
      lfs === undefined ? { algorithm: 'git', digest: oid } : { algorithm: 'sha256', digest: lfs.oid };
    const read = (offset: number, signal: AbortSignal) => this.#read(path, offset, signal);
    return { name, size: lfs?.size ?? size, checksum, read };
  }

  async #entries(folder: string, signal: AbortSignal): Promise<Entry[]> {
    const { revision } = this.#source;
    const entries: Entry[] = [];
    let url: string | null =
      `${this.#api}/tree/${revision ?? 'main'}${folder === '' ? '' : `/${encodePath(folder)}`}`;
    while (url !== null) {
      const response = await this.#get(url, {}, signal);
      entries.push(...(await this.#parse(z.array(entrySchema), response)));
      if (entries.length > MAX_ENTRIES)
        throw new ConfigError(`${this.#name}: has more than ${MAX_ENTRIES} files`);
      url = nextPage(response, url);
    }
    return entries;
  }

  async #read(path: string, offset: number, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const { type, repository, revision } = this.#source;
    const prefix = type === 'model' ? '' : 'datasets/';
    const url = `${this.#access.endpoint}/${prefix}${repository}/resolve/${revision ?? 'main'}/${encodePath(path)}`;
    const headers = { 'accept-encoding': 'identity', ...(offset > 0 && { range: `bytes=${offset}-` }) };
    const response = await this.#get(url, headers, signal);
    if (offset > 0 && response.status !== 206) {
      await response.body?.cancel();
      throw new ConfigError(`${this.#name}: ${this.#access.endpoint} cannot go on in the middle of ${path}`);
    }
    return onTheWay(`${this.#name}: ${path}`, response.body ?? emptyBody(), signal);
  }

  async #get(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const { token } = this.#access;
    // The token is for this host alone. Where it leads to another one, `fetch` leaves the token out too.
    const isOwn = token !== null && new URL(url).origin === new URL(this.#access.endpoint).origin;
    const all = { ...headers, ...(isOwn ? { authorization: `Bearer ${token}` } : {}) };
    const response = await fetch(url, { headers: all, signal }).catch((error: unknown) => {
      signal.throwIfAborted();
      throw new TransientError(
        `${this.#name}: ${this.#access.endpoint} cannot be reached (${reasonOf(error)})`,
      );
    });
    if (response.ok) return response;
    await response.body?.cancel();
    throw this.#refusal(response.status);
  }

  #refusal(status: number): Error {
    const { endpoint, token } = this.#access;
    const where = `${this.#name}: ${endpoint}`;
    if (status === 401 || status === 403) {
      const todo = token === null ? 'set HF_TOKEN to a token that may read it' : 'HF_TOKEN may not read it';
      return new ConfigError(`${where} refuses it, or has no such repository (${status}): ${todo}`);
    }
    if (status === 404) return new ConfigError(`${where} has no such repository, revision or file (404)`);
    if (status === 429 || status >= 500) return new TransientError(`${where} answers with status ${status}`);
    return new ConfigError(`${where} answers with status ${status}: is HF_ENDPOINT a Hugging Face Hub?`);
  }

  async #parse<Shape>(schema: z.ZodType<Shape>, response: Response): Promise<Shape> {
    const body = await response.text().catch((error: unknown) => {
      throw new TransientError(`${this.#name}: the answer broke off (${reasonOf(error)})`);
    });
    const parsed = schema.safeParse(jsonOf(body));
    if (parsed.success) return parsed.data;
    throw new ConfigError(
      `${this.#name}: ${this.#access.endpoint} does not answer as a Hugging Face Hub does`,
    );
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `Link: <URL>; rel="next"` */
function nextPage({ headers }: Response, url: string): string | null {
  const [, next] = /<([^>]+)>\s*;\s*rel="next"/.exec(headers.get('link') ?? '') ?? [];
  return next === undefined ? null : new URL(next, url).href;
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

async function* emptyBody(): AsyncGenerator<Uint8Array, void, undefined> {
  // A response without a body has no bytes.
}
