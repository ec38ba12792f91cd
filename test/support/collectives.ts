import type { TestContext } from 'node:test';

import {
  Collective,
  type CollectiveOptions,
  type LocalNode,
  type NodePart,
  type OperationTag,
} from '../../worker/collective/collective.js';
import { FlatBuffer } from '../../worker/parameters/flat-buffer.js';
import {
  BLOCK_SIZE,
  layOut,
  ownedRange,
  type ParameterLayout,
  type Range,
  type TensorPlace,
} from '../../worker/parameters/layout.js';
import { finishTree } from '../../worker/reduction/finish-tree.js';
import { FinalTensors } from '../../worker/reduction/final-tensors.js';
import { accumulationPlan, runsOf, type LeafStep } from '../../worker/reduction/tree.js';

const OPTIONS: CollectiveOptions = {
  runId: 'run-1',
  host: '127.0.0.1',
  timeoutMs: 20_000,
  security: 'plain',
};

/** A collective that the test closes, whatever becomes of it. */
export async function bindOne(t: TestContext, options: Partial<CollectiveOptions> = {}): Promise<Collective> {
  const collective = await Collective.bind({ ...OPTIONS, ...options });
  t.after(() => collective.close());
  return collective;
}

/** All ranks of generation 1, in this process. */
export async function connectedGroup(
  t: TestContext,
  worldSize: number,
  options: Partial<CollectiveOptions> = {},
): Promise<Collective[]> {
  const ranks = await Promise.all(Array.from({ length: worldSize }, () => bindOne(t, options)));
  await connectAll(ranks, 1);
  return ranks;
}

export async function connectAll(ranks: readonly Collective[], generation: number): Promise<void> {
  const endpoints = ranks.map(({ endpoint }) => endpoint);
  const publicKeys = ranks.map(({ publicKey }) => publicKey);
  await Promise.all(
    ranks.map((collective, rank) => collective.connect({ generation, rank, endpoints, publicKeys })),
  );
}

/** A flat space of tensors of a block each, in segments that end after the given blocks. */
export function layoutOf(blocks: number, segmentEnds: readonly number[] = []): ParameterLayout {
  const layout = layOut(
    Array.from({ length: blocks }, (_, index) => ({
      name: `tensor ${String(index).padStart(4, '0')}`,
      shape: [BLOCK_SIZE],
    })),
  );
  const edges = [0, ...segmentEnds, blocks].map((block) => block * BLOCK_SIZE);
  return { ...layout, segments: edges.slice(1).map((end, index) => ({ start: edges[index]!, end })) };
}

/** All values of a buffer, in one array. */
export function valuesOf(buffer: FlatBuffer): Float32Array {
  const values = new Float32Array(buffer.layout.size);
  let offset = 0;
  for (const slice of buffer.slices({ start: 0, end: values.length })) {
    values.set(slice, offset);
    offset += slice.length;
  }
  return values;
}

function write(into: FlatBuffer, range: Range, values: Float32Array): void {
  let offset = 0;
  for (const slice of into.slices(range)) {
    slice.set(values.subarray(offset, offset + slice.length));
    offset += slice.length;
  }
}

function add(into: FlatBuffer, range: Range, values: Float32Array): void {
  let offset = 0;
  for (const slice of into.slices(range)) {
    for (let index = 0; index < slice.length; index++) slice[index] = slice[index]! + values[offset + index]!;
    offset += slice.length;
  }
}

/**
 * What a worker does in a step: sums its leaves, and all leaves with the others. Resolves to the sum over all leaves.
 *
 * @param compute fills in the slots as the plan's steps say and tells `ready` of what is final, while values are sent; without
 *   it, they are filled in before
 */
export async function allReduceLeaves(
  collective: Collective,
  rank: number,
  layout: ParameterLayout,
  leaves: readonly Float32Array[],
  runStarts: readonly number[],
  step: number,
  compute?: Compute,
): Promise<Float32Array> {
  const tag = (phase: number): OperationTag => ({ stage: 0, step, phase });
  const runs = runsOf(runStarts);
  const plan = accumulationPlan(runs[rank]!, leaves.length);
  const slots = Array.from({ length: plan.slotCount }, () => FlatBuffer.allocate(layout));
  const local = plan.nodes.map(({ node, slot }) => ({
    node,
    values: slots[slot]!,
    ready: new FinalTensors(layout),
  }));
  const computing = { layout, leaves, steps: plan.steps, slots, ready: local.map(({ ready }) => ready) };
  if (!compute) await computeAtOnce(computing);
  const reducing = collective.reduceScatter(tag(0), layout, local, runs, leaves.length);
  if (compute) await Promise.all([reducing, compute(computing)]);
  const parts = await reducing;

  const owned = ownedRange(layout, rank, runs.length);
  const sum = finishOwned(parts, local, owned, leaves.length);
  return gatherSum(collective, tag(1), layout, owned, sum);
}

/** The sum over all leaves on the owned range. */
export function finishOwned(
  parts: readonly NodePart[],
  local: readonly LocalNode[],
  owned: Range,
  leafCount: number,
): Float32Array {
  const ownValues = (firstLeaf: number) => {
    const { values } = local.find(({ node }) => node.firstLeaf === firstLeaf)!;
    return valuesOf(values).subarray(owned.start, owned.end);
  };
  const nodes = parts.map(({ node, memory }) => ({
    node,
    values: memory ? new Float32Array(memory) : ownValues(node.firstLeaf),
  }));
  const sum = new Float32Array(owned.end - owned.start);
  finishTree(nodes, leafCount, sum);
  return sum;
}

/** Everyone's owned sums, in one array. */
export async function gatherSum(
  collective: Collective,
  tag: OperationTag,
  layout: ParameterLayout,
  owned: Range,
  sum: Float32Array,
): Promise<Float32Array> {
  const result = FlatBuffer.allocate(layout);
  write(result, owned, sum);
  await collective.allGatherParts(tag, result);
  return valuesOf(result);
}

/** The leaves of a run on their way into its slots. */
export interface Computing {
  readonly layout: ParameterLayout;
  readonly leaves: readonly Float32Array[];
  readonly steps: readonly LeafStep[];
  readonly slots: readonly FlatBuffer[];
  /** Of each node of the run. */
  readonly ready: readonly FinalTensors[];
}
export type Compute = (computing: Computing) => Promise<void>;

const computeAtOnce: Compute = ({ layout, leaves, steps, slots, ready }) => {
  for (const step of steps)
    for (const place of layout.tensors) computeTensor(place, leaves[step.leaf]!, step, slots);
  for (const one of ready) one.addAll();
  return Promise.resolve();
};

/** What a leaf's step does with one tensor, on whatever thread. */
export function computeTensor(
  { offset, size }: TensorPlace,
  leaf: Float32Array,
  { slot, accumulate, merges }: LeafStep,
  slots: readonly FlatBuffer[],
): void {
  const range = { start: offset, end: offset + size };
  const values = leaf.subarray(range.start, range.end);
  if (accumulate) add(slots[slot]!, range, values);
  else write(slots[slot]!, range, values);
  for (const { from, into } of merges) add(slots[into]!, range, slots[from]!.slices(range)[0]!);
}
