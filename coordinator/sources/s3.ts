import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import { isPlainName, renderSource, type S3Source, type Source } from '../../lib/config/source.js';
import { ConfigError } from '../../lib/errors.js';
import {
  isOfModel,
  onTheWay,
  reasonOf,
  TransientError,
  type Remote,
  type RemoteFile,
  type SourceKind,
} from './remote.js';

interface S3Object {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** With its quotes. */
  readonly etag: string;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** Longest silence of a connection. */
const SOCKET_TIMEOUT_MS = 60_000;

/** Amazon's client, by the credentials, the region and the endpoint that its own tools take. It is loaded when it is used. */
export async function openS3(env: NodeJS.ProcessEnv): Promise<S3Client> {
  const { S3Client } = await import('@aws-sdk/client-s3');
  // Whoever is not Amazon has no host name for each bucket.
  const elsewhere = Boolean(env['AWS_ENDPOINT_URL_S3'] || env['AWS_ENDPOINT_URL']);
  return new S3Client({
    forcePathStyle: elsewhere,
    ...(elsewhere && !env['AWS_REGION'] && { region: 'us-east-1' }),
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: SOCKET_TIMEOUT_MS },
  });
}

/** An object, or the objects directly under a prefix. */
export class S3Remote implements Remote {
  readonly #source: S3Source;
  readonly #kind: SourceKind;
  readonly #open: () => Promise<S3Client>;

  constructor(source: S3Source, kind: SourceKind, open: () => Promise<S3Client>) {
    this.#source = source;
    this.#kind = kind;
    this.#open = open;
  }

  async pin(signal: AbortSignal): Promise<Source> {
    return { ...this.#source, etags: etagsOf(await this.#objects(signal)) };
  }

  async list(signal: AbortSignal): Promise<readonly RemoteFile[]> {
    const objects = await this.#objects(signal);
    if (etagsOf(objects) !== this.#source.etags) throw this.#changed();
    return objects.map((object) => this.#fileOf(object));
  }

  get #name(): string {
    return renderSource(this.#source);
  }

  #changed(): ConfigError {
    return new ConfigError(
      `${this.#name}: the objects are no longer those that the run was submitted with: restore them, or submit a new run`,
    );
  }

  #fileOf(object: S3Object): RemoteFile {
    const name = posix.basename(object.key);
    if (!isPlainName(name))
      throw new ConfigError(`${this.#name}: has an object of a name that no file can have`);
    const read = (offset: number, signal: AbortSignal) => this.#read(object, offset, signal);
    // An ETag is the MD5 of the bytes for some objects and not for others, and nothing says for which. That it is still the
    // same object, every request makes sure; what travels over TLS cannot change on its way.
    return { name, size: object.size, checksum: null, read };
  }

  async #objects(signal: AbortSignal): Promise<readonly S3Object[]> {
    const found = await (this.#kind === 'file' ? this.#object(signal) : this.#listing(signal));
    if (found.length > 0) return [...found].sort((a, b) => (a.key < b.key ? -1 : 1));
    throw new ConfigError(`${this.#name}: there are no files of a model directly under it`);
  }

  #object(signal: AbortSignal): Promise<S3Object[]> {
    const { bucket: Bucket, key: Key } = this.#source;
    return this.#ask(async (client) => {
      const { HeadObjectCommand } = await import('@aws-sdk/client-s3');
      const { ContentLength, ETag } = await client.send(new HeadObjectCommand({ Bucket, Key }), {
        abortSignal: signal,
      });
      if (ContentLength === undefined || ETag === undefined)
        throw new ConfigError(`${this.#name}: the store does not say its length and version`);
      return [{ key: Key, size: ContentLength, etag: ETag }];
    }, signal);
  }

  #listing(signal: AbortSignal): Promise<S3Object[]> {
    const { bucket: Bucket, key } = this.#source;
    return this.#ask(async (client) => {
      const { paginateListObjectsV2 } = await import('@aws-sdk/client-s3');
      const found: S3Object[] = [];
      const pages = paginateListObjectsV2({ client }, { Bucket, Prefix: `${key}/`, Delimiter: '/' });
      for await (const { Contents = [] } of pages) {
        signal.throwIfAborted();
        for (const { Key = '', Size = 0, ETag = '' } of Contents) {
          if (isOfModel(posix.basename(Key))) found.push({ key: Key, size: Size, etag: ETag });
        }
      }
      return found;
    }, signal);
  }

  async #read(
    { key: Key, etag }: S3Object,
    offset: number,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    const { bucket: Bucket } = this.#source;
    const body = await this.#ask(async (client) => {
      const { GetObjectCommand } = await import('@aws-sdk/client-s3');
      const range = offset === 0 ? {} : { Range: `bytes=${offset}-` };
      const command = new GetObjectCommand({ Bucket, Key, IfMatch: etag, ...range });
      const { Body, ContentRange = '' } = await client.send(command, { abortSignal: signal });
      if (offset > 0 && !ContentRange.startsWith(`bytes ${offset}-`))
        throw new ConfigError(`${this.#name}: the store does not go on in the middle of a file`);
      return Body as AsyncIterable<Uint8Array>;
    }, signal);
    return onTheWay(`${this.#name}: ${posix.basename(Key)}`, body, signal);
  }

  async #ask<Answer>(body: (client: S3Client) => Promise<Answer>, signal: AbortSignal): Promise<Answer> {
    try {
      return await body(await this.#open());
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ConfigError) throw error;
      throw this.#refusal(error);
    }
  }

  #refusal(error: unknown): Error {
    if (!(error instanceof Error)) return new TransientError(`${this.#name}: ${String(error)}`);
    const status = statusOf(error);
    if (error.name === 'CredentialsProviderError') {
      return new ConfigError(
        `${this.#name}: there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the process a role`,
      );
    }
    if (/region is missing/i.test(error.message))
      return new ConfigError(`${this.#name}: set AWS_REGION to the region of the bucket`);
    if (status === 401 || status === 403)
      return new ConfigError(`${this.#name}: refused (${status}): the AWS credentials may not read it`);
    if (status === 404) return new ConfigError(`${this.#name}: there is no such bucket or object (404)`);
    if (status === 412) return this.#changed();
    if (status === 301)
      return new ConfigError(`${this.#name}: the bucket is of another region: set AWS_REGION to it`);
    return new TransientError(`${this.#name}: cannot be reached (${reasonOf(error)})`);
  }
}

/** Of an answer of S3; null where there was none. */
function statusOf(error: Error): number | null {
  const { $metadata: metadata } = error as { readonly $metadata?: { readonly httpStatusCode?: number } };
  return metadata?.httpStatusCode ?? null;
}

function etagsOf(objects: readonly S3Object[]): string {
  const told = objects.map(({ key, size, etag }) => [posix.basename(key), size, etag]);
  return createHash('sha256').update(JSON.stringify(told)).digest('hex');
}
