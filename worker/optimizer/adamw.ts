/**
 * AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2), as `torch.optim.AdamW` orders it: decay the weight,
 * then step along the bias-corrected moments. In two passes, so that a step that is aborted has changed nothing:
 * `proposeWeights` writes the new weights beside the current ones, `foldGradient` moves the moments at the commit.
 */
export interface AdamWSettings {
  readonly adamBeta1: number;
  readonly adamBeta2: number;
  readonly adamEpsilon: number;
}

/** Moments of a part of the parameters. All arrays of one call have equal length. */
export interface Moments {
  readonly mean: Float32Array;
  readonly variance: Float32Array;
}

export function zeroMoments(size: number): Moments {
  return { mean: new Float32Array(size), variance: new Float32Array(size) };
}

/** One step's numbers that are the same for every parameter. */
export interface StepScale {
  /** Optimizer step, 1-based: the exponent of the bias correction. */
  readonly step: number;
  readonly learningRate: number;
  /** What the gradient is multiplied by to clip it. */
  readonly clip: number;
}

/**
 * new weight = w − lr·decay·w − lr·m̂ / (√v̂ + ε), with the moments as they will be once this gradient is folded in.
 * Computed in float64 and rounded once, to float32.
 *
 * @param into receives the new weights; `weights` and the moments stay as they are
 */
export function proposeWeights(
  { weights, gradient, into }: { weights: Float32Array; gradient: Float32Array; into: Float32Array },
  moments: Moments,
  settings: AdamWSettings & { readonly weightDecay: number },
  { step, learningRate, clip }: StepScale,
): void {
  const { adamBeta1: beta1, adamBeta2: beta2, adamEpsilon: epsilon, weightDecay } = settings;
  const { mean, variance } = moments;
  const stepSize = learningRate / (1 - beta1 ** step);
  const varianceScale = 1 / Math.sqrt(1 - beta2 ** step);
  const keep = 1 - learningRate * weightDecay;
  for (let i = 0; i < gradient.length; i++) {
    const g = gradient[i]! * clip;
    const m = Math.fround(beta1 * mean[i]! + (1 - beta1) * g);
    const v = Math.fround(beta2 * variance[i]! + (1 - beta2) * g * g);
    into[i] = weights[i]! * keep - (stepSize * m) / (Math.sqrt(v) * varianceScale + epsilon);
  }
}

/** m = β1·m + (1 − β1)·g and v = β2·v + (1 − β2)·g², with the clipped gradient g. */
export function foldGradient(
  gradient: Float32Array,
  moments: Moments,
  settings: AdamWSettings,
  clip: number,
): void {
  const { adamBeta1: beta1, adamBeta2: beta2 } = settings;
  const { mean, variance } = moments;
  for (let i = 0; i < gradient.length; i++) {
    const g = gradient[i]! * clip;
    mean[i] = beta1 * mean[i]! + (1 - beta1) * g;
    variance[i] = beta2 * variance[i]! + (1 - beta2) * g * g;
  }
}
