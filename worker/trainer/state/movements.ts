import { intersect, ownedRange, type ParameterLayout, type Range } from '../../parameters/layout.js';
import { heldRanges, successorOf, type Place } from '../../parameters/optimizer-part.js';

/** Values of one range that one rank of a new generation gives to another. */
export interface Movement {
  readonly what: 'weights' | 'moments';
  readonly from: number;
  readonly to: number;
  /** Within what the giver holds as one part, and within what the taker needs as one part. */
  readonly range: Range;
}

/**
 * What has to change hands so that every rank of a new generation holds all weights and the parts of its place in it. Every
 * rank makes the same list.
 *
 * @param held by new rank: the place that it holds the parts of, with all weights; null where it holds nothing
 * @throws RangeError where nobody holds a part
 */
export function planMovements(layout: ParameterLayout, held: readonly (Place | null)[]): Movement[] {
  const ranks = held.map((_, rank) => rank);
  const holders = ranks.filter((rank) => held[rank] !== null);
  if (holders.length === 0) throw new RangeError('no member holds anything of the state');
  const weights = ranks
    .filter((rank) => held[rank] === null)
    .flatMap((to) =>
      holders.map((from, share): Movement => ({
        what: 'weights',
        from,
        to,
        range: ownedRange(layout, share, holders.length),
      })),
    );
  const moments = ranks.flatMap((to) =>
    heldRanges(layout, { rank: to, worldSize: held.length }).flatMap((needed) =>
      missingOf(layout, needed, held[to]!).flatMap((missing) => suppliers(layout, missing, held, to)),
    ),
  );
  return [...weights, ...moments].filter(({ range }) => range.start < range.end);
}

export const contains = (outer: Range, inner: Range) => outer.start <= inner.start && inner.end <= outer.end;

/** What of a range is not among the parts that a rank holds already. */
function missingOf(layout: ParameterLayout, needed: Range, place: Place | null): Range[] {
  const parts = place === null ? [] : heldRanges(layout, place);
  return parts.reduce<Range[]>((missing, part) => missing.flatMap((range) => without(range, part)), [needed]);
}

function without(range: Range, part: Range): Range[] {
  const common = intersect(range, part);
  if (common.start === common.end) return [range];
  return [
    { start: range.start, end: common.start },
    { start: common.end, end: range.end },
  ].filter(({ start, end }) => start < end);
}

/** Who gives the pieces of a range: the owner of the part that a piece lies in, or else its second owner. */
function suppliers(
  layout: ParameterLayout,
  range: Range,
  held: readonly (Place | null)[],
  to: number,
): Movement[] {
  const { worldSize } = held.find((place) => place !== null) ?? { worldSize: 0 };
  return Array.from({ length: worldSize }, (_, part) => part).flatMap((part): Movement[] => {
    const piece = intersect(range, ownedRange(layout, part, worldSize));
    if (piece.start === piece.end) return [];
    const owner = held.findIndex((place) => place?.rank === part);
    const second = held.findIndex((place) => place?.rank === successorOf({ rank: part, worldSize }));
    const from = owner >= 0 ? owner : second;
    if (from < 0)
      throw new RangeError(`no member holds part ${part} of ${worldSize} of the optimizer's state`);
    return [{ what: 'moments', from, to, range: piece }];
  });
}
