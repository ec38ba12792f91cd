import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import type { Example } from '../data/example.js';

/**
 * The order of the examples' indices in one epoch, a function of (examples, seed, epoch) alone: desirable (and
 * unlabelled) and undesirable examples are shuffled each on its own and then merged at a constant pace, so that any
 * window of the order holds each class's share of it, rounded down or up.
 */
export function shuffledOrder(
  examples: readonly Pick<Example, 'desirable'>[],
  seed: number,
  epoch: number,
): number[] {
  const random = randomOf(seed, epoch);
  const indices = examples.map((_, index) => index);
  const undesirable = indices.filter((index) => examples[index]!.desirable === false);
  const others = indices.filter((index) => examples[index]!.desirable !== false);
  shuffle(undesirable, random);
  shuffle(others, random);
  return mergeEvenly(undesirable, others, random);
}

/** Each epoch has its own stretch of the seed's sequence, 2^64 numbers long. The first is skipped: similar seeds begin alike. */
function randomOf(seed: number, epoch: number): RandomGenerator {
  const random = xoroshiro128plus(seed);
  for (let jumps = 0; jumps <= epoch; jumps += 1) random.jump();
  return random;
}

/** Fisher and Yates, in place. */
function shuffle(items: number[], random: RandomGenerator): void {
  for (let last = items.length - 1; last > 0; last -= 1) {
    const chosen = uniformInt(random, 0, last);
    [items[last], items[chosen]] = [items[chosen]!, items[last]!];
  }
}

/**
 * Bresenham's line from (0, 0) to (n, |a|), raised by a random part of a step: the first t places hold
 * ⌊(t·|a| + offset) / n⌋ of `a`. Without the offset a rare class would stand at the same places in every epoch.
 */
function mergeEvenly(a: readonly number[], b: readonly number[], random: RandomGenerator): number[] {
  const count = a.length + b.length;
  const offset = uniformInt(random, 0, count - 1);
  const merged: number[] = [];
  let taken = 0;
  for (let t = 1; t <= count; t += 1) {
    const due = Math.floor((t * a.length + offset) / count);
    if (due > taken) {
      merged.push(a[taken]!);
      taken = due;
    } else {
      merged.push(b[merged.length - taken]!);
    }
  }
  return merged;
}
