import { ConfigError } from '../../lib/errors.js';
import { quote } from '../../lib/text.js';
import { v1 } from '../../proto/services.js';
import { requireBytes } from '../service/request.js';

/** A file by its content. */
export interface Upload {
  /** 64 lower-case hex digits: the name of a file in the store. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

/** Of the empty file, which nobody has to send. */
export const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** Most bytes of a chunk: they are held in memory, for every client at once. */
export const MAX_CHUNK_BYTES = 4 * 2 ** 20;

/** @throws ConfigError for what names no file */
export function requireUpload(message: v1.Upload.$Properties | null | undefined): Upload {
  const { sha256, size } = v1.Upload.create(message ?? {});
  const upload = { sha256: requireSha256(sha256), size: requireBytes(size, 'the size of an upload') };
  if ((upload.size === 0) === (upload.sha256 === EMPTY_SHA256)) return upload;
  throw new ConfigError(
    `the upload ${upload.sha256} cannot have ${upload.size} bytes: only the empty file has`,
  );
}

/** @throws ConfigError */
export function requireSha256(text: string): string {
  if (/^[0-9a-f]{64}$/.test(text)) return text;
  throw new ConfigError(`${quote(text)} is not a SHA-256 in 64 hex digits of lower case`);
}

/** @throws ConfigError for one that is too long */
export function requireChunk(data: Uint8Array): Uint8Array {
  if (data.length <= MAX_CHUNK_BYTES) return data;
  throw new ConfigError(`a chunk has at most ${MAX_CHUNK_BYTES} bytes, not ${data.length}`);
}
