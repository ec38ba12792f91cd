import type { ParameterLayout } from '../parameters/layout.js';
import { accumulationPlan } from '../reduction/tree.js';
import { backedUpRank, BYTES_PER_FLOAT, othersPartialSums, ownedSize, type StepSplit } from './split.js';

/** What a process holds in memory, in bytes, at its peak. */
export interface ProcessMemory {
  /** Node.js and TensorFlow, with whatever model. */
  readonly program: number;
  /** Of a worker the trained ones twice: the current ones and those that a step proposes. */
  readonly weights: number;
  /** The base model below an adapter. */
  readonly frozenWeights: number;
  /** Partial sums that wait for their neighbours in the tree, each as large as the trained weights. */
  readonly gradients: number;
  /** Both moments of the owned part, and those and the gradient of the one that this worker is the second owner of. */
  readonly optimizer: number;
  /** What others send of the owned part's gradient. */
  readonly exchange: number;
  /** The copy of the owned part that a checkpoint is written from. */
  readonly checkpoint: number;
  /** All other tensors while a micro-batch is computed: see activations.ts. */
  readonly activations: number;
}

/** Measured: a worker and a replica with a model of a few kilobytes, on Node.js 20 with TensorFlow 2.21 for CPUs. */
const PROGRAM_BYTES = 400 * 2 ** 20;

/**
 * What TensorFlow's memory grows to over what its tensors take, since gaps between them fit no others. Measured on a Llama of
 * 135 M parameters, with micro-batches of 256 to 1024 tokens: 1.08 to 1.25.
 */
const FRAGMENTATION = 1.15;

export interface WorkerLoad {
  /** Of the trained parameters. */
  readonly layout: ParameterLayout;
  /** Of the base model below an adapter; null without one. */
  readonly frozen: ParameterLayout | null;
  /** The ways that steps are dealt out: an epoch's last one may have fewer leaves. */
  readonly splits: readonly [StepSplit, ...StepSplit[]];
  readonly rank: number;
  /** As activations.ts finds them. */
  readonly activationBytes: number;
  readonly writesCheckpoints: boolean;
}

export function workerMemory(load: WorkerLoad): ProcessMemory {
  const { layout, frozen, splits, rank, activationBytes, writesCheckpoints } = load;
  const worldSize = splits[0].runs.length;
  const backedUp = backedUpRank(rank, worldSize);
  const owned = ownedSize(layout, rank, worldSize);
  const backup = backedUp === null ? 0 : ownedSize(layout, backedUp, worldSize);
  const most = (count: (split: StepSplit) => number) => Math.max(...splits.map(count));
  const slots = most(({ runs, leafCount }) => accumulationPlan(runs[rank]!, leafCount).slotCount);
  const received = most((split) => othersPartialSums(split, rank));
  return {
    program: PROGRAM_BYTES,
    weights: BYTES_PER_FLOAT * 2 * layout.size,
    frozenWeights: BYTES_PER_FLOAT * (frozen?.size ?? 0),
    gradients: BYTES_PER_FLOAT * slots * layout.size,
    optimizer: BYTES_PER_FLOAT * (2 * owned + 3 * backup),
    exchange: BYTES_PER_FLOAT * received * owned,
    checkpoint: writesCheckpoints ? BYTES_PER_FLOAT * 3 * owned : 0,
    activations: Math.ceil(FRAGMENTATION * activationBytes),
  };
}

/** Of the frozen reference, which scores one micro-batch at a time. */
export function referenceMemory(layouts: readonly ParameterLayout[], activationBytes: number): ProcessMemory {
  return {
    program: PROGRAM_BYTES,
    weights: BYTES_PER_FLOAT * layouts.reduce((sum, { size }) => sum + size, 0),
    frozenWeights: 0,
    gradients: 0,
    optimizer: 0,
    exchange: 0,
    checkpoint: 0,
    activations: Math.ceil(FRAGMENTATION * activationBytes),
  };
}

export function totalBytes(memory: ProcessMemory): number {
  return Object.values<number>({ ...memory }).reduce((sum, bytes) => sum + bytes, 0);
}
