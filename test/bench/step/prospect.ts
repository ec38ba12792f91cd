import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { RunError } from '../../../lib/errors.js';
import { runChild } from './child.js';
import { BATCH_SIZE, THREADS, type Part } from './part.js';
import type { TrainedStep, Training } from './side.js';

export const EPOCHS = 2;

/** Who trains, and in what portions. */
export interface Crew {
  readonly workers: number;
  /** Of each. */
  readonly threads: number;
  readonly batchSize: number;
  readonly epochs: number;
}

const oneWorker: Crew = { workers: 1, threads: THREADS, batchSize: BATCH_SIZE, epochs: EPOCHS };

const cli = fileURLToPath(new URL('../../../deploy/cli/main.js', import.meta.url));

/**
 * Trains as a user would, with an empty cache: the first epoch computes the reference's answers.
 * @param adapter the fresh one that PyTorch starts from too; null: one of our own, where the part has one
 */
export async function trainWithProspect(
  part: Part,
  feedback: string,
  adapter: string | null,
  directory: string,
  crew = oneWorker,
): Promise<Training> {
  const place = await mkdtemp(join(directory, 'run-'));
  const runFile = join(place, 'run.yaml');
  // JSON is YAML.
  await writeFile(runFile, JSON.stringify(runKeys(part, feedback, adapter, crew)));
  const out = join(place, 'out');
  const env = { PROSPECT_REFERENCE_CACHE: join(place, 'cache'), NO_COLOR: '1' };
  const { peakBytes } = await runChild(process.execPath, [cli, 'train', runFile, '--out', out], env);
  const steps = parseMetrics(await readFile(join(out, 'metrics.jsonl'), 'utf8'));
  await rm(place, { recursive: true });
  return { steps, peakBytes };
}

function runKeys(
  part: Part,
  feedback: string,
  adapter: string | null,
  { workers, threads, batchSize, epochs }: Crew,
): Record<string, unknown> {
  const fresh = part.lora ? { lora: { r: 8, alpha: 16, target_modules: 'all-linear' } } : {};
  return {
    method: 'kto',
    model: part.model,
    ...(adapter === null ? fresh : { adapter, reference: 'base' }),
    data: { train: feedback },
    learning_rate: part.learningRate,
    lr_schedule: 'constant',
    epochs,
    global_batch_size: batchSize,
    // As PyTorch's script: a batch of that side goes through the model whole.
    micro_batch_size: BATCH_SIZE,
    max_length: part.maxLength,
    activation_memory: part.activationMemory,
    shuffle: false,
    workers,
    threads_per_worker: threads,
    save_steps: 0,
  };
}

const rowSchema = z.object({
  loss: z.number(),
  kl: z.number(),
  grad_norm: z.number(),
  step_time_s: z.number(),
});

/** @throws RunError for a line without the figures of a step */
export function parseMetrics(text: string): TrainedStep[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const parsed = rowSchema.safeParse(JSON.parse(line));
      if (!parsed.success)
        throw new RunError(`metrics.jsonl has no figures of a step in: ${line.slice(0, 200)}`);
      const { loss, kl, grad_norm, step_time_s } = parsed.data;
      return { loss, kl, gradNorm: grad_norm, milliseconds: step_time_s * 1000 };
    });
}
