/**
 * The frames between the workers of one run. A message is two ZeroMQ parts: this header and the payload.
 *
 * | offset | bytes | field                                             |
 * | ------ | ----- | ------------------------------------------------- |
 * | 0      | 4     | magic "PSPT"                                      |
 * | 4      | 1     | version                                           |
 * | 5      | 1     | kind                                              |
 * | 6      | 2     | sender's rank                                     |
 * | 8      | 8     | start of the SHA-256 of the run's id              |
 * | 16     | 4     | generation                                        |
 * | 20     | 12    | stage, step, phase                                |
 * | 32     | 8     | node: first leaf, span                            |
 * | 40     | 8     | offset                                            |
 * | 48     | 4     | payload length in bytes                           |
 * | 52     | 4     | CRC-32 of the bytes before it and payload's sums  |
 *
 * Integers are unsigned and little-endian; payloads of values are float32 as they lie in memory (little-endian too).
 *
 * The sums (see `payloadSums`) differ for any two payloads of one length that differ in one or two words of a column, as
 * by flipped bits, or in the order of two blocks; whatever else may happen is as likely to be missed as by the CRC alone,
 * which takes twice as long over a whole payload.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

import type { TreeNode } from '../reduction/tree.js';
import { payloadSums } from '../simd/payload-sums.js';
import type { OperationTag } from './tag.js';

export const MAX_PAYLOAD_BYTES = 2 ** 20;
export const HEADER_BYTES = 56;

const MAGIC = 0x54505350;
const VERSION = 2;
const RUN_HASH_BYTES = 8;
const CRC_OFFSET = 52;
const MAX_RANK = 0xffff;

/**
 * `hello`: the sender has joined the generation. `announce`: it has begun the operation and is ready to receive. `data`:
 * one piece of it. `acknowledge`: it has all of the receiver's pieces. `goodbye`: it leaves and needs nothing more.
 * `farewell`: the answer to that. Between workers of one host (see `slots.ts`), `offer`: where the sender's outbox is;
 * `free`: slots that the receiver may use; `placed`: one piece of the operation, in a slot.
 */
export const KINDS = [
  'hello',
  'announce',
  'data',
  'acknowledge',
  'goodbye',
  'farewell',
  'offer',
  'free',
  'placed',
] as const;
export type FrameKind = (typeof KINDS)[number];

/** Where a sender stands; the same for all its frames of a generation. */
export interface Sender {
  /** From `hashRun`. */
  readonly run: Buffer;
  readonly generation: number;
  readonly rank: number;
}

export interface FrameContent {
  readonly kind: FrameKind;
  readonly tag: OperationTag;
  /** Of `data` and `placed`: which partial sum. */
  readonly node: TreeNode;
  /** Of `data` and `placed`: where the values start, in elements of the flat space or in bytes of a gathered payload. */
  readonly offset: number;
  readonly payload: Uint8Array;
}

export type Frame = Sender & FrameContent;

/** The two parts of a message. */
export type Message = [header: Buffer, payload: Uint8Array];

/** Of frames that carry no values of a partial sum. */
export const NO_NODE: TreeNode = { firstLeaf: 0, span: 0 };
/** Of frames that belong to no operation. */
const NO_TAG: OperationTag = { stage: 0, step: 0, phase: 0 };

export const hashRun = (runId: string) =>
  createHash('sha256').update(runId).digest().subarray(0, RUN_HASH_BYTES);

/** The ZeroMQ routing id of the sender's connections: names the peer even where its frame cannot be read. */
export const routingIdOf = ({ run, generation, rank }: Sender) =>
  `prospect/${run.toString('hex')}/${generation}/${rank}`;

export function encodeFrame(
  { run, generation, rank }: Sender,
  {
    kind,
    tag = NO_TAG,
    node = NO_NODE,
    offset = 0,
    payload = new Uint8Array(0),
  }: Partial<FrameContent> & Pick<FrameContent, 'kind'>,
): Message {
  if (payload.byteLength > MAX_PAYLOAD_BYTES)
    throw new RangeError(`a payload of ${payload.byteLength} bytes`);
  if (rank > MAX_RANK) throw new RangeError(`a collective has at most ${MAX_RANK + 1} ranks`);
  const header = Buffer.allocUnsafeSlow(HEADER_BYTES);
  header.writeUInt32LE(MAGIC, 0);
  header.writeUInt8(VERSION, 4);
  header.writeUInt8(KINDS.indexOf(kind), 5);
  header.writeUInt16LE(rank, 6);
  run.copy(header, 8);
  header.writeUInt32LE(generation, 16);
  header.writeUInt32LE(tag.stage, 20);
  header.writeUInt32LE(tag.step, 24);
  header.writeUInt32LE(tag.phase, 28);
  header.writeUInt32LE(node.firstLeaf, 32);
  header.writeUInt32LE(node.span, 36);
  header.writeBigUInt64LE(BigInt(offset), 40);
  header.writeUInt32LE(payload.byteLength, 48);
  header.writeUInt32LE(checksum(header, payload), CRC_OFFSET);
  return [header, payload];
}

/** A frame that cannot be what its sender should send. The message says why, without the sender. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** @throws FrameError where `parts` is not a frame as it was sent. */
export function decodeFrame(parts: readonly Buffer[]): Frame {
  const [header, payload] = parts;
  if (!header || !payload || parts.length !== 2)
    throw new FrameError(`a message of ${parts.length} parts, not 2`);
  if (header.length !== HEADER_BYTES)
    throw new FrameError(`a header of ${header.length} bytes, not ${HEADER_BYTES}`);
  if (header.readUInt32LE(0) !== MAGIC) throw new FrameError('a message that is not of Prospect');
  if (header.readUInt8(4) !== VERSION)
    throw new FrameError(
      `protocol version ${header.readUInt8(4)}, not ${VERSION}: install the same Prospect everywhere`,
    );
  const length = header.readUInt32LE(48);
  if (payload.length !== length || length > MAX_PAYLOAD_BYTES)
    throw new FrameError(`a payload of ${payload.length} bytes where the header says ${length}`);
  if (header.readUInt32LE(CRC_OFFSET) !== checksum(header, payload)) throw new FrameError('a wrong checksum');
  const kind = KINDS[header.readUInt8(5)];
  if (!kind) throw new FrameError(`a message of unknown kind ${header.readUInt8(5)}`);
  const offset = Number(header.readBigUInt64LE(40));
  if (!Number.isSafeInteger(offset)) throw new FrameError(`an offset of ${offset}`);
  return {
    kind,
    rank: header.readUInt16LE(6),
    run: header.subarray(8, 8 + RUN_HASH_BYTES),
    generation: header.readUInt32LE(16),
    tag: { stage: header.readUInt32LE(20), step: header.readUInt32LE(24), phase: header.readUInt32LE(28) },
    node: { firstLeaf: header.readUInt32LE(32), span: header.readUInt32LE(36) },
    offset,
    payload,
  };
}

function checksum(header: Buffer, payload: Uint8Array): number {
  const ofHeader = crc32(header.subarray(0, CRC_OFFSET));
  return payload.byteLength > 0 ? crc32(payloadSums(payload), ofHeader) : ofHeader;
}
