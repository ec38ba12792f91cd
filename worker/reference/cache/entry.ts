import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

import { completionLength, type Sequence } from '../../model/batch.js';
import type { CompletionLogps } from '../../model/completion-logps.js';

/** What is asked of the reference at once: computed whole and alone, and kept whole. */
export interface LeafRequest {
  readonly sequences: readonly Sequence[];
  /** So many of the last ones are other completions of prompts that sequences before them have. */
  readonly branches: number;
  /** With the log-probs of every completion token. */
  readonly byToken: boolean;
}

/**
 * An entry, little-endian:
 *
 *     bytes    0–7   magic
 *              8–11  version
 *             12–15  length of the answers, in bytes
 *             16–47  key: SHA-256 of the identity and the leaf
 *             48–51  CRC-32 of everything else
 *             52–    answers: per sequence its sum (float64), then, where asked for, all terms (float32)
 */
const MAGIC = Buffer.from('prospref', 'latin1');
const VERSION = 1;
const Offset = { version: 8, length: 12, key: 16, crc: 48, answers: 52 } as const;

/** @param identity of the model and the machine (identity.ts) */
export function keyOf(identity: string, { sequences, branches, byToken }: LeafRequest): Buffer {
  const hash = createHash('sha256');
  hash.update(
    JSON.stringify([
      identity,
      byToken,
      branches,
      sequences.map(({ ids, completionStart }) => [ids.length, completionStart]),
    ]),
  );
  for (const { ids } of sequences) hash.update(Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength));
  return hash.digest();
}

/** Size of a leaf's entry, in bytes. */
export function entryBytes({ sequences, byToken }: LeafRequest): number {
  const sums = sequences.length * Float64Array.BYTES_PER_ELEMENT;
  if (!byToken) return Offset.answers + sums;
  const terms = sequences.reduce((total, sequence) => total + completionLength(sequence), 0);
  return Offset.answers + sums + terms * Float32Array.BYTES_PER_ELEMENT;
}

export function encodeEntry(
  key: Buffer,
  request: LeafRequest,
  completions: readonly CompletionLogps[],
): Buffer {
  const entry = Buffer.alloc(entryBytes(request));
  MAGIC.copy(entry);
  entry.writeUInt32LE(VERSION, Offset.version);
  entry.writeUInt32LE(entry.length - Offset.answers, Offset.length);
  key.copy(entry, Offset.key);
  let end: number = Offset.answers;
  for (const { logp } of completions) end = entry.writeDoubleLE(logp, end);
  for (const { tokenLogps } of completions) {
    for (const term of tokenLogps ?? []) end = entry.writeFloatLE(term, end);
  }
  entry.writeUInt32LE(checksumOf(entry), Offset.crc);
  return entry;
}

/** The answers, bit for bit as they were encoded; null where the bytes are not a sound entry for this request. */
export function decodeEntry(entry: Buffer, key: Buffer, request: LeafRequest): CompletionLogps[] | null {
  const sound =
    entry.length === entryBytes(request) &&
    entry.subarray(0, MAGIC.length).equals(MAGIC) &&
    entry.readUInt32LE(Offset.version) === VERSION &&
    entry.readUInt32LE(Offset.length) === entry.length - Offset.answers &&
    entry.subarray(Offset.key, Offset.crc).equals(key) &&
    entry.readUInt32LE(Offset.crc) === checksumOf(entry);
  if (!sound) return null;
  const { sequences, byToken } = request;
  let term = Offset.answers + sequences.length * Float64Array.BYTES_PER_ELEMENT;
  const readTerms = (count: number) =>
    Float32Array.from({ length: count }, () => {
      const value = entry.readFloatLE(term);
      term += Float32Array.BYTES_PER_ELEMENT;
      return value;
    });
  return sequences.map((sequence, index) => ({
    logp: entry.readDoubleLE(Offset.answers + index * Float64Array.BYTES_PER_ELEMENT),
    tokenLogps: byToken ? readTerms(completionLength(sequence)) : null,
  }));
}

function checksumOf(entry: Buffer): number {
  return crc32(entry.subarray(Offset.answers), crc32(entry.subarray(0, Offset.crc)));
}
