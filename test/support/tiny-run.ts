import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadExamples, loadPairs } from '../../coordinator/data/load.js';
import { rowUseOf } from '../../coordinator/data/row-use.js';
import { TextTokenizer } from '../../coordinator/data/tokenizer.js';
import { pairMismatched } from '../../coordinator/plan/pairing.js';
import { Planner } from '../../coordinator/plan/plan.js';
import { unitOf, unitOfPair } from '../../coordinator/plan/unit.js';
import { parseRunFile } from '../../lib/config/load.js';
import type { Method } from '../../lib/config/types.js';
import { needsOf } from '../../lib/methods/needs.js';
import { fixturePath, readFixture } from '../parity/fixtures.js';

/** Keys of a run file, as a user would write them. */
export type RunKeys = Readonly<Record<string, unknown>>;

interface Texts {
  readonly prompts: string[];
  readonly completions: string[];
  readonly labels: boolean[];
}

/** 26 judged answers: of a batch of 16, an epoch's second one is short, and its micro-batches are no power of two. */
export function judgedRows(): unknown[] {
  const { prompts, completions, labels } = readFixture('golden/train_llama_full.json') as Texts;
  return prompts.flatMap((prompt, i) => {
    const answers = i < 10 ? [i, (i + 5) % 16] : [i];
    return answers.map((j) => ({ prompt, completion: completions[j], label: labels[j] }));
  });
}

/** As many pairs. */
export function pairedRows(): unknown[] {
  const { prompts, completions } = readFixture('golden/train_llama_full.json') as Texts;
  return Array.from({ length: 26 }, (_, i) => ({
    prompt: prompts[i % 16],
    chosen: completions[i % 16],
    rejected: completions[(i + 3 + Math.floor(i / 16)) % 16],
  }));
}

const needPairs: readonly string[] = ['dpo', 'cpo', 'simpo', 'orpo', 'slic'];

/** What a run is called for in the harnesses: any method on the tiny Llama, changed by `keys`. */
export interface TinyRun {
  readonly method: Method;
  readonly keys?: RunKeys;
  /** Default: rows of the kind that the method takes. */
  readonly rows?: readonly unknown[];
}

/** Writes rows and run file into `dir`; returns the run file's path and its text. */
export function writeTinyRun(
  dir: string,
  { method, keys = {}, rows }: TinyRun,
): { file: string; text: string } {
  mkdirSync(dir, { recursive: true });
  const own = rows ?? (needPairs.includes(method) ? pairedRows() : judgedRows());
  const train = join(dir, 'rows.jsonl');
  writeFileSync(train, own.map((row) => `${JSON.stringify(row)}\n`).join(''));
  // JSON is YAML.
  const text = JSON.stringify({
    model: fixturePath('models/llama'),
    method,
    data: { train },
    learning_rate: 1e-3,
    lr_schedule: 'cosine',
    warmup_steps: 2,
    weight_decay: 0.01,
    global_batch_size: 16,
    micro_batch_size: 2,
    threads_per_worker: 1,
    ...keys,
  });
  const file = join(dir, 'run.yaml');
  writeFileSync(file, text);
  return { file, text };
}

export interface PlannedRows {
  readonly stage: number;
  /** Rows of every step's batch. */
  readonly batches: readonly (readonly number[])[];
  readonly stepsPerEpoch: number;
}

/** Which rows each step of a run of one stage is to use. */
export async function plannedRows(runFile: string, text: string): Promise<PlannedRows> {
  const config = parseRunFile(text, runFile, { baseDir: '/' });
  const [stage] = config.stages;
  const { objective, maxLength, maxPromptLength, globalBatchSize, data, model } = stage;
  const tokenizer = TextTokenizer.load(model!);
  const limits = { maxLength, maxPromptLength, skipBadRows: false };
  const needs = needsOf(objective);
  const rows = rowUseOf(objective);
  const units =
    needs.rows === 'paired'
      ? (await loadPairs(data.train, tokenizer, limits)).examples.map(unitOfPair)
      : (await loadExamples(data.train, tokenizer, { ...limits, rows })).examples.map(unitOf);
  const pairs = needs.mismatchedPairs ? pairMismatched(units, globalBatchSize) : units.map(() => null);
  const planner = new Planner(units, pairs, stage);
  const batches = Array.from({ length: planner.totalSteps }, (_, i) =>
    planner.plan(i + 1).batch.map((index) => units[index]!.row),
  );
  return { stage: 1, batches, stepsPerEpoch: planner.stepsPerEpoch };
}
