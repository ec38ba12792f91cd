import type { Client } from '@grpc/grpc-js';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { callUnary } from '../../proto/calls.js';
import { uploadService } from '../../proto/services.js';

export interface LocalUpload {
  readonly file: string;
  /** In hex. */
  readonly sha256: string;
  readonly size: number;
}

export async function localUpload(file: string): Promise<LocalUpload> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(file) as AsyncIterable<Buffer>) hash.update(part);
  return { file, sha256: hash.digest('hex'), size: (await stat(file)).size };
}

/** Bytes that a coordinator holds of it. */
export async function heldOf(client: Client, { sha256, size }: LocalUpload): Promise<number> {
  const { held } = await callUnary(client, uploadService.findUploads, { uploads: [{ sha256, size }] });
  return held[0]!;
}

/** Sends what a coordinator does not hold of a file, up to `until`. Returns how many bytes were sent. */
export async function uploadFile(
  client: Client,
  upload: LocalUpload,
  { chunkBytes = 2 ** 20, until = upload.size } = {},
): Promise<number> {
  const { file, sha256, size } = upload;
  const handle = await open(file);
  let sent = 0;
  try {
    for (let offset = await heldOf(client, upload); offset < until;) {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(chunkBytes), 0, chunkBytes, offset);
      const request = { upload: { sha256, size }, offset, data: buffer.subarray(0, bytesRead) };
      ({ held: offset } = await callUnary(client, uploadService.putChunk, request));
      sent += bytesRead;
    }
    return sent;
  } finally {
    await handle.close();
  }
}
