import { request as requestInTheClear, type IncomingMessage } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import { messageOf } from '../../../lib/errors.js';
import { ApiError } from './api-error.js';

/** A kind of objects in a namespace. */
export interface Resource {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
}

/** How to reach an API server and be let in: what this needs of the client library's KubeConfig. */
export interface ClusterConfig {
  getCurrentCluster(): { readonly server: string } | null;
  applyToHTTPSOptions(options: RequestOptions): Promise<void>;
}

/** One line of a watch, as yet unchecked. */
export interface WatchLine {
  readonly type: string;
  readonly object: unknown;
}

interface Call {
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal: AbortSignal;
}

const ANSWER_TIMEOUT_MS = 30_000;
/** The server ends a watch after this time; one that it has not ended a minute later has lost its server. */
const WATCH_S = 240;
const LOST_WATCH_MS = (WATCH_S + 60) * 1_000;
/** No list of a run's objects, and no line of a watch, is longer. */
const MAX_ANSWER_CHARS = 64 * 2 ** 20;

/** The objects of one namespace. All calls throw an ApiError where they fail. Objects come as the server writes them. */
export class KubernetesApi {
  readonly #config: ClusterConfig;
  readonly #server: string;
  readonly #namespace: string;

  constructor(config: ClusterConfig, namespace: string) {
    const server = config.getCurrentCluster()?.server ?? '';
    if (server === '') throw new ApiError(0, 'no cluster is configured');
    this.#config = config;
    this.#server = server.replace(/\/$/, '');
    this.#namespace = namespace;
  }

  /** As the pod's service account where there is one, or as KUBECONFIG says. The library is loaded here: it takes a second. */
  static async connect(namespace: string): Promise<KubernetesApi> {
    const { KubeConfig } = await import('@kubernetes/client-node');
    const config = new KubeConfig();
    config.loadFromDefault();
    return new KubernetesApi(config, namespace);
  }

  get(resource: Resource, name: string): Promise<unknown> {
    return this.#call('GET', this.#path(resource, name));
  }

  /** A list object. */
  list(resource: Resource, labelSelector: string): Promise<unknown> {
    return this.#call('GET', this.#path(resource), { query: { labelSelector } });
  }

  create(resource: Resource, object: object): Promise<unknown> {
    return this.#call('POST', this.#path(resource), { body: object, contentType: 'application/json' });
  }

  /** A JSON merge patch. */
  patch(resource: Resource, name: string, body: object): Promise<unknown> {
    return this.#call('PATCH', this.#path(resource, name), {
      body,
      contentType: 'application/merge-patch+json',
    });
  }

  /** Deletes this very object, and what it owns after it. Nothing happens where it is gone. */
  async delete(resource: Resource, name: string, uid: string): Promise<void> {
    const body = { propagationPolicy: 'Background', preconditions: { uid } };
    try {
      await this.#call('DELETE', this.#path(resource, name), { body, contentType: 'application/json' });
    } catch (error) {
      if (error instanceof ApiError && (error.status === 404 || error.isConflict)) return;
      throw error;
    }
  }

  /** What changes after a version of a list, until the server ends the watch (often) or the signal does. */
  async watch(
    resource: Resource,
    { labelSelector, resourceVersion }: { readonly labelSelector: string; readonly resourceVersion: string },
    onLine: (line: WatchLine) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const query = { watch: 'true', allowWatchBookmarks: 'true', timeoutSeconds: String(WATCH_S) };
    const lost = AbortSignal.any([signal, AbortSignal.timeout(LOST_WATCH_MS)]);
    const answer = await this.#send('GET', this.#path(resource), {
      query: { ...query, labelSelector, resourceVersion },
      signal: lost,
    });
    for await (const line of linesOf(answer)) onLine(parseLine(line));
  }

  /** The version of an API group that the server prefers; null where it does not know the group. */
  async preferredVersion(group: string): Promise<string | null> {
    try {
      const answer = await this.#call('GET', `/apis/${group}`);
      const { preferredVersion } = answer as { readonly preferredVersion?: { readonly version?: unknown } };
      const version = preferredVersion?.version;
      return typeof version === 'string' ? version : null;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  }

  #path({ group, version, plural }: Resource, name?: string): string {
    const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
    const path = `${root}/namespaces/${encodeURIComponent(this.#namespace)}/${plural}`;
    return name === undefined ? path : `${path}/${encodeURIComponent(name)}`;
  }

  async #call(method: string, path: string, call: Omit<Call, 'signal'> = {}): Promise<object> {
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    const text = await readText(await this.#send(method, path, { ...call, signal }));
    return parseObject(text);
  }

  /** Resolves with an answer that is one. */
  async #send(
    method: string,
    path: string,
    { query, body, contentType, signal }: Call,
  ): Promise<IncomingMessage> {
    const url = new URL(this.#server + path);
    for (const [key, value] of Object.entries(query ?? {})) url.searchParams.set(key, value);
    const content = body === undefined ? '' : JSON.stringify(body);
    const headers = {
      accept: 'application/json',
      // Node would send a DELETE's body without its length, so that the server took it for none.
      ...(contentType && { 'content-type': contentType, 'content-length': Buffer.byteLength(content) }),
    };
    const options: RequestOptions = { method, headers, signal };
    await this.#config.applyToHTTPSOptions(options).catch((error: unknown) => {
      throw asApiError(error);
    });
    const send = url.protocol === 'http:' ? requestInTheClear : request;
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = send(url, options, resolve);
      sent.on('error', (error) => reject(asApiError(error)));
      sent.end(content);
    });
    const { statusCode = 0 } = answer;
    if (statusCode < 200 || statusCode > 299) {
      throw new ApiError(statusCode, reasonIn(await readText(answer)) || `HTTP status ${statusCode}`);
    }
    return answer;
  }
}

async function readText(answer: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of piecesOf(answer)) text = append(text, piece);
  return text;
}

/** The lines of an answer that may never end. It is cut off where nobody wants more. */
async function* linesOf(answer: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  for await (const piece of piecesOf(answer)) {
    const lines = append(rest, piece).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

async function* piecesOf(answer: IncomingMessage): AsyncGenerator<string> {
  answer.setEncoding('utf8');
  try {
    for await (const piece of answer as AsyncIterable<string>) yield piece;
  } catch (error) {
    throw asApiError(error);
  } finally {
    answer.destroy();
  }
}

function append(text: string, piece: string): string {
  if (text.length + piece.length > MAX_ANSWER_CHARS) throw new ApiError(0, 'the answer is too long');
  return text + piece;
}

function parseObject(text: string): object {
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null) throw new ApiError(0, 'the answer is no JSON object');
  return value;
}

function parseLine(line: string): WatchLine {
  const { type, object } = parseObject(line) as Partial<WatchLine>;
  if (typeof type !== 'string') throw new ApiError(0, 'a line of a watch has no type');
  return { type, object };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ApiError(0, `the answer is no JSON: ${messageOf(error)}`);
  }
}

/** The message of a Status object. */
function reasonIn(text: string): string {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    return typeof message === 'string' ? message : '';
  } catch {
    // Whatever stands between may answer in its own way.
    return text.slice(0, 200).replaceAll(/\s+/g, ' ').trim();
  }
}

function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(0, messageOf(error));
}
