import type { ExchangePlan } from './exchange.js';
import { FrameError, MAX_PAYLOAD_BYTES, NO_NODE } from './frame.js';
import type { Piece } from './pieces.js';

/** A peer's word is not enough to allocate more. */
export const MAX_GATHERED_BYTES = 2 ** 28;

const LENGTH_BYTES = 4;
const HEAD_BYTES = MAX_PAYLOAD_BYTES - LENGTH_BYTES;

/**
 * Everyone's payload to everyone; what the others sent appears in `received`, by rank. The announcement carries the
 * payload's length and its first megabyte, so that small payloads take one hop.
 */
export function gatherPlan(payload: Uint8Array, received: Uint8Array[]): ExchangePlan {
  if (payload.byteLength > MAX_GATHERED_BYTES)
    throw new RangeError(
      `a payload of ${payload.byteLength} bytes to gather; ${MAX_GATHERED_BYTES} is the most`,
    );
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(payload.byteLength);
  return {
    announcement: Buffer.concat([length, payload.subarray(0, HEAD_BYTES)]),
    outgoing: () => piecesAfterHead(payload),
    incoming: (rank, announcement) => {
      received[rank] = withHead(announcement);
      return piecesAfterHead(received[rank]);
    },
  };
}

function withHead(announcement: Uint8Array): Uint8Array {
  if (announcement.byteLength < LENGTH_BYTES) throw new FrameError('a payload without its length');
  const length = Buffer.from(announcement.buffer, announcement.byteOffset, LENGTH_BYTES).readUInt32LE();
  const head = announcement.subarray(LENGTH_BYTES);
  if (length > MAX_GATHERED_BYTES || head.byteLength !== Math.min(length, HEAD_BYTES))
    throw new FrameError(`${head.byteLength} bytes as the start of a payload of ${length}`);
  const payload = new Uint8Array(length);
  payload.set(head);
  return payload;
}

function* piecesAfterHead(payload: Uint8Array): Generator<Piece> {
  for (let offset = HEAD_BYTES; offset < payload.byteLength; offset += MAX_PAYLOAD_BYTES)
    yield { node: NO_NODE, offset, bytes: payload.subarray(offset, offset + MAX_PAYLOAD_BYTES) };
}
