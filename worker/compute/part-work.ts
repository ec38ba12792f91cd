import {
  foldGradient,
  proposeWeights,
  type AdamWSettings,
  type Moments,
  type StepScale,
} from '../optimizer/adamw.js';
import { blockSquareSums } from '../optimizer/gradient-norm.js';
import { finishTree, type NodeValues } from '../reduction/finish-tree.js';

/**
 * Work on a piece of the flat space, element by element or block by block: whoever does it, and in whatever pieces, makes the
 * same bits. All arrays lie in memory that threads share.
 */
export type PartWork =
  | {
      readonly kind: 'finish';
      readonly nodes: readonly NodeValues[];
      readonly leafCount: number;
      /** Receives the sum over all leaves. */
      readonly into: Float32Array;
      /** Receives the sums of squares of its blocks. */
      readonly squares: Float64Array;
    }
  | {
      readonly kind: 'propose';
      readonly weights: Float32Array;
      readonly gradient: Float32Array;
      /** Receives the new weights. */
      readonly into: Float32Array;
      readonly moments: Moments;
      readonly settings: AdamWSettings;
      readonly weightDecay: number;
      readonly scale: StepScale;
    }
  | {
      readonly kind: 'fold';
      readonly gradient: Float32Array;
      /** Take the gradient in. */
      readonly moments: Moments;
      readonly settings: AdamWSettings;
      readonly clip: number;
    };

export function perform(work: PartWork): void {
  switch (work.kind) {
    case 'finish':
      finishTree(work.nodes, work.leafCount, work.into);
      work.squares.set(blockSquareSums([work.into]));
      return;
    case 'propose':
      proposeWeights(work, work.moments, { ...work.settings, weightDecay: work.weightDecay }, work.scale);
      return;
    case 'fold':
      foldGradient(work.gradient, work.moments, work.settings, work.clip);
  }
}
