import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packagePath } from '../../../lib/package.js';
import { writeTinyModel } from '../../../deploy/demo/tiny-model.js';

export const partNames = ['full', 'lean', 'lora', 'tiny'] as const;
export type PartName = (typeof partNames)[number];

/** What is trained, on both sides. */
export interface Part {
  readonly name: PartName;
  /** Hugging Face directory. */
  readonly model: string;
  /** Rows of feedback, JSONL. */
  readonly feedback: string;
  readonly maxLength: number;
  /** Of an epoch, unless the caller says otherwise. */
  readonly steps: number;
  readonly learningRate: number;
  readonly lora: boolean;
  /** GiB for activations on our side; null for as many as there are. */
  readonly activationMemory: number | null;
  /** Compare with the best that PyTorch does too: logits of completions only, the reference before the clock. */
  readonly best: boolean;
}

export const BATCH_SIZE = 8;
export const THREADS = 2;

const seed = 1;

/** Of the part `lean`: what the head keeps, and the inputs of the layers, which all go forward again. */
const leanGib = 0.3;

/** Layers that make the demo's model one of 1 M parameters. */
const tinyLayers = 5;

/** Where the parts that need a trained model find it; null where the environment does not say. */
export interface Given {
  readonly model: string | null;
  readonly feedback: string | null;
}

/** Why a part cannot be measured here; null where it can. */
export function whyNot(name: PartName, { model, feedback }: Given): string | null {
  if (name === 'tiny') return null;
  if (model === null) return 'PROSPECT_BENCH_MODEL does not name a model directory';
  if (feedback === null) return 'PROSPECT_BENCH_FEEDBACK does not name a file of feedback';
  return (
    [model, feedback].filter((path) => !existsSync(path)).map((path) => `there is no ${path}`)[0] ?? null
  );
}

/** @param directory for the tiny model */
export async function preparePart(
  name: PartName,
  { model, feedback }: Given,
  directory: string,
): Promise<Part> {
  if (name === 'tiny') {
    const tiny = join(directory, 'tiny-model');
    const data = packagePath('deploy/demo/data');
    await writeTinyModel(tiny, data, seed, { layers: tinyLayers });
    const fixed = {
      maxLength: 128,
      steps: 64,
      learningRate: 1e-4,
      lora: false,
      best: false,
      activationMemory: null,
    };
    return { name, model: tiny, feedback: join(data, 'feedback.jsonl'), ...fixed };
  }
  const lora = name === 'lora';
  const activationMemory = name === 'lean' ? leanGib : null;
  const learningRate = lora ? 1e-4 : 1e-5;
  const fixed = { maxLength: 256, steps: 8, learningRate, lora, best: name !== 'lean', activationMemory };
  return { name, model: model!, feedback: feedback!, ...fixed };
}
