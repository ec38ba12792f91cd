import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { posix } from 'node:path';
import type { TestContext } from 'node:test';
import { Cuts, sendContent } from './fake-store.js';
import { serveHttp } from './http-server.js';

/** As much of S3 as is asked for, with the bucket in the path: listing, heads and objects. Who signs is not looked at. */
export class FakeS3 {
  readonly cuts = new Cuts();
  readonly requests: string[] = [];
  readonly ranges: string[] = [];
  /** Every request ends with it. */
  status: number | null = null;
  /** By `BUCKET/KEY`. */
  readonly objects = new Map<string, Buffer>();
  #url = '';

  static async start(t: Pick<TestContext, 'after'>): Promise<FakeS3> {
    const s3 = new FakeS3();
    s3.#url = await serveHttp(t, (request, response) => s3.#answer(request, response));
    return s3;
  }

  /** For the environment of who is to use it. */
  get environment(): Readonly<Record<string, string>> {
    return {
      AWS_ENDPOINT_URL_S3: this.#url,
      AWS_ACCESS_KEY_ID: 'AKIATEST',
      AWS_SECRET_ACCESS_KEY: 'a-secret-key',
      AWS_REGION: 'eu-test-1',
    };
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '/', this.#url);
    this.requests.push(`${request.method ?? ''} ${pathname}`);
    const path = decodeURIComponent(pathname);
    if (this.status !== null) response.writeHead(this.status).end();
    else if (searchParams.get('list-type') === '2') this.#list(path, searchParams, response);
    else this.#sendObject(path, request, response);
  }

  #sendObject(path: string, request: IncomingMessage, response: ServerResponse): void {
    const content = this.objects.get(path.slice(1));
    const wanted = request.headers['if-match'];
    if (content === undefined) response.writeHead(404).end();
    else if (wanted !== undefined && wanted !== etagOf(content)) response.writeHead(412).end();
    else if (request.method === 'HEAD')
      response.writeHead(200, { etag: etagOf(content), 'content-length': content.length }).end();
    else {
      if (request.headers.range !== undefined) this.ranges.push(request.headers.range);
      sendContent(request, response, content, this.cuts, { etag: etagOf(content) });
    }
  }

  /** Two objects a page. */
  #list(path: string, searchParams: URLSearchParams, response: ServerResponse): void {
    const bucket = path.replaceAll('/', '');
    const prefix = searchParams.get('prefix') ?? '';
    const start = Number(searchParams.get('continuation-token') ?? 0);
    const own = [...this.objects].filter(
      ([path]) => `${posix.dirname(path)}/` === posix.join(bucket, prefix),
    );
    const contents = own.slice(start, start + 2).map(([path, content]) => {
      const key = path.slice(bucket.length + 1);
      return `<Contents><Key>${key}</Key><ETag>${etagOf(content).replaceAll('"', '&quot;')}</ETag><Size>${content.length}</Size></Contents>`;
    });
    const more = start + 2 < own.length;
    const next = more ? `<NextContinuationToken>${start + 2}</NextContinuationToken>` : '';
    response
      .writeHead(200, { 'content-type': 'application/xml' })
      .end(
        `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><IsTruncated>${String(more)}</IsTruncated>${next}${contents.join('')}</ListBucketResult>`,
      );
  }
}

function etagOf(content: Buffer): string {
  return `"${createHash('md5').update(content).digest('hex')}"`;
}
