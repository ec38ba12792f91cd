import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TestContext } from 'node:test';
import { KubernetesApi } from '../../../coordinator/launch/kubernetes/kubernetes-api.js';

export interface FakeObject {
  metadata: {
    name: string;
    uid: string;
    resourceVersion: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    ownerReferences?: { uid: string }[];
    deletionTimestamp?: string;
    [key: string]: unknown;
  };
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
  [key: string]: unknown;
}

export interface FakeChange {
  readonly version: number;
  readonly collection: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: FakeObject;
}

interface Watcher {
  readonly collection: string;
  readonly selector: string;
  readonly response: ServerResponse;
}

interface Answer {
  readonly status: number;
  readonly body: object;
}

const namespaced = /^(\/api(?:s\/[^/]+)?\/[^/]+)\/namespaces\/training\/([^/]+)(?:\/([^/]+))?$/;

/** Answers as Kubernetes' API server does, as far as the launcher asks; objects live in the namespace `training`. */
export class FakeApiServer {
  /** `POST jobs`, and so on. Watches are not counted. */
  readonly calls: string[] = [];
  /** Answers the next calls of a kind: `POST jobs` with 500, say. */
  readonly failures = new Map<string, Answer[]>();
  readonly #listeners: ((change: FakeChange) => void)[] = [];
  readonly #collections = new Map<string, Map<string, FakeObject>>();
  readonly #groups = new Map<string, string>();
  readonly #watchers = new Set<Watcher>();
  readonly #server: Server;
  #history: FakeChange[] = [];
  #version = 100;
  /** Of the newest change that a watch cannot begin before any more. */
  #forgotten = 0;

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(t: TestContext): Promise<FakeApiServer> {
    const fake = new FakeApiServer();
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      fake.#server.closeAllConnections();
      fake.#server.close();
    });
    return fake;
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  /** Answers whoever wants to go on over a web socket. */
  onUpgrade(answer: (request: IncomingMessage, socket: Duplex) => void): void {
    this.#server.on('upgrade', answer);
  }

  get api(): KubernetesApi {
    const config = {
      getCurrentCluster: () => ({ server: this.url }),
      applyToHTTPSOptions: () => Promise.resolve(),
    };
    return new KubernetesApi(config, 'training');
  }

  /** Calls the listener after each change, as a controller or a kubelet would hear of it. */
  listen(listener: (change: FakeChange) => void): void {
    this.#listeners.push(listener);
  }

  get watches(): number {
    return this.#watchers.size;
  }

  /** The server knows an API group in this version. */
  knowGroup(group: string, version: string): void {
    this.#groups.set(group, version);
  }

  all(collection: string): FakeObject[] {
    return [...this.#of(collection).values()];
  }

  find(collection: string, name: string): FakeObject | undefined {
    return this.#of(collection).get(name);
  }

  put(
    collection: string,
    name: string,
    content: Partial<Omit<FakeObject, 'metadata'>> & { metadata?: object },
  ): FakeObject {
    const before = this.find(collection, name);
    const metadata = {
      uid: before?.metadata.uid ?? randomUUID(),
      ...before?.metadata,
      ...content.metadata,
      name,
    };
    const object = {
      ...before,
      ...content,
      metadata: { ...metadata, resourceVersion: String(++this.#version) },
    };
    this.#of(collection).set(name, object);
    this.#tell(collection, before === undefined ? 'ADDED' : 'MODIFIED', object);
    return object;
  }

  remove(collection: string, name: string): void {
    const object = this.find(collection, name);
    if (object === undefined) return;
    this.#of(collection).delete(name);
    const metadata = { ...object.metadata, resourceVersion: String(++this.#version) };
    this.#tell(collection, 'DELETED', { ...object, metadata });
    // What it owned goes after it.
    for (const [other, objects] of this.#collections) {
      for (const { metadata: owned } of [...objects.values()]) {
        if (owned.ownerReferences?.some(({ uid }) => uid === metadata.uid) === true)
          this.remove(other, owned.name);
      }
    }
  }

  /** Cuts all watches off. */
  breakWatches(): void {
    for (const { response } of this.#watchers) response.destroy();
    this.#watchers.clear();
  }

  /** No watch can go on from what came before. */
  forgetHistory(): void {
    this.#history = [];
    this.#forgotten = this.#version;
  }

  #of(collection: string): Map<string, FakeObject> {
    const objects = this.#collections.get(collection) ?? new Map<string, FakeObject>();
    this.#collections.set(collection, objects);
    return objects;
  }

  #tell(collection: string, type: FakeChange['type'], object: FakeObject): void {
    const change = { version: this.#version, collection, type, object };
    this.#history.push(change);
    for (const watcher of this.#watchers) this.#send(watcher, change);
    for (const listener of this.#listeners) listener(change);
  }

  #send({ collection, selector, response }: Watcher, change: FakeChange): void {
    if (collection !== change.collection || !matches(selector, change.object)) return;
    response.write(`${JSON.stringify({ type: change.type, object: change.object })}\n`);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://fake');
    const body = await readBody(request);
    const [, , collection = '', name] = namespaced.exec(url.pathname) ?? [];
    const selector = url.searchParams.get('labelSelector') ?? '';
    if (url.searchParams.get('watch') === 'true') {
      this.#watch({ collection, selector, response }, Number(url.searchParams.get('resourceVersion')));
      return;
    }
    const call = `${request.method ?? ''} ${collection}`;
    this.calls.push(call);
    const answer =
      this.failures.get(call)?.shift() ??
      (collection === ''
        ? this.#group(url.pathname)
        : this.#do(request.method, collection, name, selector, body));
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer.body));
  }

  #watch(watcher: Watcher, after: number): void {
    watcher.response.writeHead(200, { 'content-type': 'application/json' });
    watcher.response.flushHeaders();
    if (after < this.#forgotten) {
      const object = failure(410, 'too old resource version').body;
      watcher.response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
      return;
    }
    this.#watchers.add(watcher);
    watcher.response.on('close', () => this.#watchers.delete(watcher));
    for (const change of this.#history) if (change.version > after) this.#send(watcher, change);
  }

  #group(path: string): Answer {
    const version = this.#groups.get(path.replace('/apis/', ''));
    if (version === undefined) return failure(404, 'the server could not find the requested resource');
    return { status: 200, body: { preferredVersion: { version } } };
  }

  #do(method = '', collection: string, name: string | undefined, selector: string, body: unknown): Answer {
    if (method === 'GET' && name === undefined) {
      const items = this.all(collection).filter((object) => matches(selector, object));
      return { status: 200, body: { metadata: { resourceVersion: String(this.#version) }, items } };
    }
    if (method === 'POST') return this.#create(collection, body as FakeObject);
    const object = this.find(collection, name ?? '');
    if (object === undefined) return failure(404, `${collection} "${name ?? ''}" not found`);
    if (method === 'PATCH') return this.#patch(collection, object, body as Partial<FakeObject>);
    if (method === 'DELETE') return this.#delete(collection, object, body);
    return { status: 200, body: object };
  }

  #create(collection: string, object: FakeObject): Answer {
    const { name } = object.metadata;
    if (this.find(collection, name) !== undefined)
      return failure(409, `${collection} "${name}" already exists`);
    const wrong = collection === 'jobs' ? whatIsWrong(object) : null;
    if (wrong !== null) return failure(422, wrong);
    return { status: 201, body: this.put(collection, name, object) };
  }

  #patch(collection: string, object: FakeObject, patch: Partial<FakeObject>): Answer {
    const { name } = object.metadata;
    const merged = merge(object, patch) as FakeObject;
    const wrong = collection === 'jobs' ? whatIsWrong(merged) : null;
    if (wrong !== null) return failure(422, wrong);
    return { status: 200, body: this.put(collection, name, merged) };
  }

  #delete(collection: string, object: FakeObject, body: unknown): Answer {
    const { preconditions, propagationPolicy } = body as {
      readonly preconditions?: { readonly uid?: string };
      readonly propagationPolicy?: string;
    };
    const { uid, name } = object.metadata;
    if (preconditions?.uid !== undefined && preconditions.uid !== uid)
      return failure(409, 'the UID does not match');
    // Without it, the API server leaves a Job's pods behind.
    if (propagationPolicy !== 'Background')
      return failure(400, 'this test expects propagation in the background');
    this.remove(collection, name);
    return { status: 200, body: object };
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  // Go takes a body without a length for none.
  const hasBody =
    request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
  let text = '';
  for await (const chunk of request as AsyncIterable<Buffer>) text += chunk.toString('utf8');
  return hasBody && text !== '' ? JSON.parse(text) : {};
}

function failure(code: number, message: string): Answer {
  return { status: code, body: { kind: 'Status', status: 'Failure', code, message } };
}

function matches(selector: string, { metadata }: FakeObject): boolean {
  return selector.split(',').every((term) => {
    const [key = '', value] = term.split('=');
    const label = metadata.labels?.[key];
    return key === '' || (value === undefined ? label !== undefined : label === value);
  });
}

/** What a real API server says of such a Job. */
function whatIsWrong({ spec = {} }: FakeObject): string | null {
  const { completions, parallelism, maxFailedIndexes, completionMode } = spec as Readonly<
    Record<string, number>
  > & {
    readonly completionMode?: string;
  };
  if (completionMode !== 'Indexed') return 'spec.backoffLimitPerIndex: Forbidden';
  if (completions !== parallelism) return 'spec.completions: must be equal to parallelism to be mutable';
  if (maxFailedIndexes !== undefined && maxFailedIndexes > (completions ?? 0)) {
    return 'spec.maxFailedIndexes: must be less than or equal to completions';
  }
  return null;
}

/** A JSON merge patch. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const merged: Record<string, unknown> = { ...(target as Record<string, unknown> | undefined) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(merged, key);
    else merged[key] = merge(merged[key], value);
  }
  return merged;
}
