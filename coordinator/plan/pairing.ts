import type { Example } from '../data/example.js';
import { fitCompletion } from '../data/length-rule.js';

type Prompted = Pick<Example, 'promptIds'>;

/**
 * For each example: the index of the example whose completion its prompt takes for the KL estimate, or null.
 *
 * KTO estimates z0 = E[KL(policy ‖ reference)] over completions that do not answer their prompt (arXiv 2402.01306,
 * section 4). They come from rotating the completions inside consecutive groups of `groupSize` examples (a tail of one
 * joins the group before), in file order, so that an example keeps its pair in every epoch. Prompt i takes the
 * completion of i − k, with the smallest k ≥ 1 under which no prompt meets a completion of its own prompt (k = 1 is
 * TRL's); where each k brings some together, the k with the fewest, and those examples have no pair.
 */
export function pairMismatched(examples: readonly Prompted[], groupSize: number): (number | null)[] {
  const pairs: (number | null)[] = [];
  for (const [start, end] of groupBounds(examples.length, groupSize)) {
    const promptClasses = internPrompts(examples.slice(start, end));
    const size = end - start;
    const rotation = bestRotation(promptClasses);
    for (let i = 0; i < size; i += 1) {
      const donor = (i - rotation + size) % size;
      pairs.push(promptClasses[donor] === promptClasses[i] ? null : start + donor);
    }
  }
  return pairs;
}

/** The donor's completion, cut to fit after this prompt. */
export function mismatchedCompletion(
  { promptIds }: Prompted,
  donor: Pick<Example, 'completionIds'>,
  maxLength: number,
): Int32Array {
  return fitCompletion(donor.completionIds, promptIds.length, maxLength);
}

function groupBounds(count: number, groupSize: number): (readonly [start: number, end: number])[] {
  const starts: number[] = [];
  for (let start = 0; start < count; start += groupSize) starts.push(start);
  if (count % groupSize === 1 && starts.length > 1 && groupSize > 1) starts.pop();
  return starts.map((start, g) => [start, starts[g + 1] ?? count]);
}

/** A number for each example, equal where the prompts' ids are. */
function internPrompts(group: readonly Prompted[]): number[] {
  const classes = new Map<string, number>();
  return group.map(({ promptIds }) => {
    const { buffer, byteOffset, byteLength } = promptIds;
    const key = Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
    const known = classes.get(key) ?? classes.size;
    classes.set(key, known);
    return known;
  });
}

/** The smallest rotation that brings the fewest equal prompts together; 0 in a group of one. */
function bestRotation(promptClasses: readonly number[]): number {
  const size = promptClasses.length;
  const meetings = new Uint32Array(size);
  for (const members of positionsByClass(promptClasses)) {
    for (const i of members) {
      for (const donor of members) {
        const rotation = (i - donor + size) % size;
        meetings[rotation]! += 1;
      }
    }
  }
  let best = size > 1 ? 1 : 0;
  for (let k = 2; k < size; k += 1) if (meetings[k]! < meetings[best]!) best = k;
  return best;
}

function positionsByClass(promptClasses: readonly number[]): Iterable<readonly number[]> {
  const positions = new Map<number, number[]>();
  promptClasses.forEach((promptClass, i) => {
    const members = positions.get(promptClass);
    if (members === undefined) positions.set(promptClass, [i]);
    else members.push(i);
  });
  return positions.values();
}
