import { z } from 'zod';
import { RunError } from '../../../lib/errors.js';
import { runChild } from './child.js';
import { BATCH_SIZE, THREADS, type Part } from './part.js';
import type { TrainedStep, Training } from './side.js';

/** How PyTorch trains: as TRL did, or the best that it does. */
export type PyTorchWay = 'all-logits' | 'best';

const wayArguments: Readonly<Record<PyTorchWay, readonly string[]>> = {
  'all-logits': ['--head', 'full'],
  best: ['--head', 'completion', '--precompute-ref'],
};

export interface PyTorch {
  readonly python: string;
  /** The benchmark script that speaks as `kto_pytorch.py`. */
  readonly script: string;
}

/** Trains `steps` batches of the rows, the first of them as its warm-up. */
export async function trainWithPyTorch(
  { python, script }: PyTorch,
  part: Part,
  tokenRows: string,
  { way, steps }: { readonly way: PyTorchWay; readonly steps: number },
): Promise<Training> {
  const settings = {
    model: part.model,
    rows: tokenRows,
    mode: part.lora ? 'lora' : 'full',
    batch: BATCH_SIZE,
    steps: steps - 1,
    threads: THREADS,
    lr: part.learningRate,
    'max-length': part.maxLength,
  };
  const flags = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]);
  const { stdout, peakBytes } = await runChild(python, [script, ...flags, ...wayArguments[way]]);
  return { steps: parsePyTorchOutput(stdout), peakBytes };
}

const outputSchema = z.object({
  steps: z
    .array(z.object({ loss: z.number(), kl: z.number(), grad_norm: z.number(), step_s: z.number() }))
    .min(1),
});

/** @throws RunError for anything but the script's JSON, alone or as the last line */
export function parsePyTorchOutput(stdout: string): TrainedStep[] {
  const line = stdout.trim().split('\n').at(-1)!;
  const parsed = outputSchema.safeParse(jsonOrNull(line));
  if (!parsed.success) throw new RunError(`PyTorch's script printed no steps, but: ${line.slice(0, 200)}`);
  return parsed.data.steps.map(({ loss, kl, grad_norm, step_s }) => ({
    loss,
    kl,
    gradNorm: grad_norm,
    milliseconds: step_s * 1000,
  }));
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
