import { digestOf, mustAgree } from './agreement.js';
import type { ExchangePlan } from './exchange.js';
import { MAX_PAYLOAD_BYTES, NO_NODE } from './frame.js';
import type { Piece } from './pieces.js';

/** Float32 values that change hands. All ranks make their own side of the same agreement. */
export interface Transfer {
  /** What the agreement rests on; ranks whose facts differ refuse each other. */
  readonly facts: unknown;
  /** What this rank sends to another one, where it lies, in order. */
  readonly outgoing: (to: number) => Iterable<Float32Array>;
  /** Where what another rank sends goes: arrays of the same lengths, in the same order. */
  readonly incoming: (from: number) => Iterable<Float32Array>;
}

export function transferPlan({ facts, outgoing, incoming }: Transfer): ExchangePlan {
  const announcement = digestOf(facts);
  return {
    announcement,
    outgoing: (to) => piecesOf(outgoing(to)),
    incoming(from, theirs) {
      mustAgree(announcement, theirs, 'agreement on what changes hands');
      return piecesOf(incoming(from));
    },
  };
}

function* piecesOf(arrays: Iterable<Float32Array>): Generator<Piece> {
  let offset = 0;
  for (const values of arrays) {
    for (let start = 0; start < values.byteLength; start += MAX_PAYLOAD_BYTES) {
      const length = Math.min(MAX_PAYLOAD_BYTES, values.byteLength - start);
      const bytes = new Uint8Array(values.buffer, values.byteOffset + start, length);
      yield { node: NO_NODE, offset, bytes };
      offset += length;
    }
  }
}
