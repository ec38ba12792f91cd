import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join, posix } from 'node:path';
import type { TestContext } from 'node:test';
import { Cuts, sendContent } from './fake-store.js';
import { serveHttp } from './http-server.js';

type Files = ReadonlyMap<string, Buffer>;

/** As much of the Hugging Face Hub as is asked for: revisions, folders a page at a time, files. */
export class FakeHub {
  readonly cuts = new Cuts();
  /** Method and path of every request. */
  readonly requests: string[] = [];
  /** Ranges that were asked for, of files. */
  readonly ranges: string[] = [];
  /** Without it everybody may read. */
  token: string | null = null;
  /** The next requests end with these. */
  readonly statuses: number[] = [];
  /** Files are sent once it is open. */
  gate: Promise<void> = Promise.resolve();
  /** Bytes that are sent in the place of a file's own. */
  readonly damaged = new Map<string, Buffer>();
  /** By `models/OWNER/NAME` or `datasets/OWNER/NAME` and commit. */
  readonly #commits = new Map<string, Files>();
  /** Branches, by the same and name. */
  readonly #branches = new Map<string, string>();
  #url = '';

  static async start(t: Pick<TestContext, 'after'>): Promise<FakeHub> {
    const hub = new FakeHub();
    hub.#url = await serveHttp(t, (request, response) => hub.#answer(request, response));
    return hub;
  }

  get endpoint(): string {
    return this.#url;
  }

  /** Commits files to a branch. @returns the commit */
  commit(repository: string, files: Readonly<Record<string, string | Buffer>>, branch = 'main'): string {
    const content = new Map(Object.entries(files).map(([path, text]) => [path, Buffer.from(text)]));
    const hash = createHash('sha1');
    for (const [path, bytes] of content) hash.update(path).update(bytes);
    const commit = hash.digest('hex');
    this.#commits.set(`${repository} ${commit}`, content);
    this.#branches.set(`${repository} ${branch}`, commit);
    return commit;
  }

  /** Commits the files of a folder. */
  commitFolder(repository: string, folder: string): string {
    const names = readdirSync(folder);
    return this.commit(
      repository,
      Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name))])),
    );
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url ?? '/', this.#url);
    this.requests.push(`${request.method ?? ''} ${pathname}`);
    const path = decodeURIComponent(pathname);
    const status = this.statuses.shift();
    const isKnown = this.token === null || request.headers.authorization === `Bearer ${this.token}`;
    if (status !== undefined) response.writeHead(status).end();
    else if (!isKnown) response.writeHead(401).end();
    else if (/^\/api\/\w+\/[^/]+\/[^/]+\/revision\//.test(path)) this.#sendRevision(path, response);
    else if (path.startsWith('/api/')) this.#sendTree(path, request, response);
    else this.#sendFile(path, request, response);
  }

  #sendRevision(path: string, response: ServerResponse): void {
    const [, repository, revision] = /^\/api\/(.+?)\/revision\/(.+)$/.exec(path)!;
    const sha = this.#commitOf(repository!, revision!);
    if (sha === undefined) response.writeHead(404).end();
    else response.end(JSON.stringify({ sha }));
  }

  #sendFile(path: string, request: IncomingMessage, response: ServerResponse): void {
    const [, datasets, name, commit, file] =
      /^\/(datasets\/)?([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(path) ?? [];
    const repository = `${datasets === undefined ? 'models' : 'datasets'}/${name ?? ''}`;
    const content = this.#commits.get(`${repository} ${commit ?? ''}`)?.get(file ?? '');
    if (content === undefined) {
      response.writeHead(404).end();
      return;
    }
    if (request.headers.range !== undefined) this.ranges.push(request.headers.range);
    const sent = this.damaged.get(file!) ?? content;
    void this.gate.then(() => sendContent(request, response, sent, this.cuts));
  }

  #commitOf(repository: string, revision: string): string | undefined {
    if (this.#commits.has(`${repository} ${revision}`)) return revision;
    return this.#branches.get(`${repository} ${revision}`);
  }

  /** Two entries a page, beside a folder. */
  #sendTree(path: string, request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '/', this.#url);
    const [, repository, commit, folder] = /^\/api\/(.+?)\/tree\/([^/]+)\/?(.*)$/.exec(path) ?? [];
    const files = this.#commits.get(`${repository ?? ''} ${commit ?? ''}`);
    if (files === undefined) {
      response.writeHead(404).end();
      return;
    }
    const own = [...files].filter(([name]) => posix.dirname(name) === (folder || '.'));
    const cursor = Number(searchParams.get('cursor') ?? 0);
    const page = own.slice(cursor, cursor + 2).map(([name, content]) => entryOf(name, content));
    const next = `<${this.#url}${pathname}?cursor=${cursor + 2}>; rel="next"`;
    response
      .writeHead(200, cursor + 2 < own.length ? { link: next } : {})
      .end(JSON.stringify([{ type: 'directory', path: 'onnx', size: 0, oid: '0' }, ...page]));
  }
}

/** Weights are in LFS, other files in Git. */
function entryOf(path: string, content: Buffer) {
  const gitId = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
  if (!path.endsWith('.safetensors')) return { type: 'file', path, size: content.length, oid: gitId };
  const oid = createHash('sha256').update(content).digest('hex');
  return {
    type: 'file',
    path,
    size: content.length,
    oid: gitId,
    lfs: { oid, size: content.length, pointerSize: 130 },
  };
}
