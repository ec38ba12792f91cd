import { RunError } from '../../../lib/errors.js';
import { v1 } from '../../../proto/services.js';
import { openCheckpoint } from '../../checkpoint/open-checkpoint.js';
import type { Collective } from '../../collective/collective.js';
import type { FlatBuffer } from '../../parameters/flat-buffer.js';
import { intersect } from '../../parameters/layout.js';
import {
  partsOf,
  samePlace,
  emptyParts,
  momentsOf,
  type HeldParts,
  type Place,
} from '../../parameters/optimizer-part.js';
import { contains, planMovements, type Movement } from './movements.js';
import type { StageState, StateTarget } from './stage-state.js';

/** Where in a generation's operations the state moves: before the first phase of its first step. */
const TRANSFER_PHASE = 0xffff;

/** What a membership says of the state that its generation starts from. */
export interface StateOrder extends StateTarget {
  readonly stage: number;
  readonly source: v1.StateSource;
  /** By rank: the place whose parts it holds; null for none. */
  readonly held: readonly (Place | null)[];
  /** Directory. */
  readonly checkpoint: string;
}

/** Brings about what a generation starts from, beside what this worker holds. */
export async function arrangeState(
  state: StageState,
  order: StateOrder,
  collective: Collective,
  signal: AbortSignal,
): Promise<void> {
  switch (order.source) {
    case v1.StateSource.STATE_SOURCE_INITIAL:
      return state.restart(order);
    case v1.StateSource.STATE_SOURCE_MEMBERS:
      return shareAmongMembers(state, order, collective);
    case v1.StateSource.STATE_SOURCE_CHECKPOINT:
      return readCheckpoint(state, order, signal);
    case v1.StateSource.STATE_SOURCE_UNSPECIFIED:
    default:
      throw new RunError(
        `the coordinator named source ${order.source} of a state, which this version does not know`,
      );
  }
}

async function shareAmongMembers(
  state: StageState,
  order: StateOrder,
  collective: Collective,
): Promise<void> {
  const { place, held } = order;
  const movements = planMovements(state.layout, held);
  const own = held[place.rank] ?? null;
  if (own === null) {
    await state.fillNew(order, async (weights, parts) => {
      const into = (movement: Movement) => arraysOf(movement, weights, parts);
      await move(movements, order, collective, { from: into, into });
    });
    return;
  }
  const current = state.heldAt(order);
  if (!samePlace(current.place, own))
    throw new RunError(
      `the coordinator believes that this worker holds part ${own.rank} of ${own.worldSize}; ` +
        `it holds part ${current.place.rank} of ${current.place.worldSize}`,
    );
  const parts = samePlace(own, place) ? current.parts : recut(current.parts, state, place);
  const weights = state.buffer(current.weights);
  await move(movements, order, collective, {
    from: (movement) => arraysOf(movement, weights, current.parts),
    into: (movement) => arraysOf(movement, weights, parts),
  });
  state.keepWeights(order, parts);
}

/** Parts of another place, with the moments that this worker has of them already. */
function recut(old: HeldParts, { layout }: StageState, place: Place): HeldParts {
  const parts = emptyParts(layout, place);
  for (const target of partsOf(parts)) {
    for (const source of partsOf(old)) {
      const common = intersect(target.range, source.range);
      if (common.start === common.end) continue;
      const [from, into] = [momentsOf(source, common), momentsOf(target, common)];
      into.mean.set(from.mean);
      into.variance.set(from.variance);
    }
  }
  return parts;
}

type Arrays = (movement: Movement) => readonly Float32Array[];

function move(
  movements: readonly Movement[],
  { stage, step, place: { rank } }: StateOrder,
  collective: Collective,
  { from, into }: { readonly from: Arrays; readonly into: Arrays },
): Promise<void> {
  return collective.transfer(
    { stage, step, phase: TRANSFER_PHASE },
    {
      facts: movements,
      outgoing: (to) => movements.filter((each) => each.from === rank && each.to === to).flatMap(from),
      incoming: (giver) => movements.filter((each) => each.from === giver && each.to === rank).flatMap(into),
    },
  );
}

function arraysOf({ what, range }: Movement, weights: FlatBuffer, parts: HeldParts): readonly Float32Array[] {
  if (what === 'weights') return weights.slices(range);
  const part = partsOf(parts).find((each) => contains(each.range, range));
  if (part === undefined) throw new Error(`no part holds elements ${range.start} to ${range.end}`);
  const { mean, variance } = momentsOf(part, range);
  return [mean, variance];
}

async function readCheckpoint(state: StageState, order: StateOrder, signal: AbortSignal): Promise<void> {
  const checkpoint = await openCheckpoint(order.checkpoint);
  const fits =
    checkpoint.stage === order.stage &&
    checkpoint.step === order.step &&
    checkpoint.updates === order.updates &&
    checkpoint.size === state.layout.size;
  if (!fits)
    throw new RunError(
      `${order.checkpoint} is of stage ${checkpoint.stage}, step ${checkpoint.step}, ${checkpoint.size} parameters; ` +
        `wanted is stage ${order.stage}, step ${order.step}, ${state.layout.size} parameters`,
    );
  await state.fillNew(order, async (weights, parts) => {
    const whole = { start: 0, end: state.layout.size };
    await checkpoint.read('weights', whole, weights.slices(whole));
    for (const part of partsOf(parts)) {
      signal.throwIfAborted();
      const { mean, variance } = momentsOf(part, part.range);
      await checkpoint.read('mean', part.range, [mean]);
      await checkpoint.read('variance', part.range, [variance]);
    }
  });
}
