import type { FlatBuffer } from '../parameters/flat-buffer.js';
import { ownedRange } from '../parameters/layout.js';
import { digestOf, mustAgree } from './agreement.js';
import type { ExchangePlan } from './exchange.js';
import { NO_NODE } from './frame.js';
import { piecesOf } from './pieces.js';

/** Each rank's owned range of `values` to all others, in place. */
export function allGatherPartsPlan(rank: number, worldSize: number, values: FlatBuffer): ExchangePlan {
  const part = (of: number) => piecesOf(values, ownedRange(values.layout, of, worldSize), NO_NODE);
  const announcement = digestOf(values.layout.segments);
  return {
    announcement,
    outgoing: () => part(rank),
    incoming(from, theirs) {
      mustAgree(announcement, theirs, 'parameter layout');
      return part(from);
    },
  };
}
