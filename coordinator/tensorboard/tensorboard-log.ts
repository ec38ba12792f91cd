import { mkdir, open, readdir, readFile, type FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { messageOf, RunError } from '../../lib/errors.js';
import { tensorboard } from '../../proto/services.js';
import type { MetricsRow } from '../runs/metrics-row.js';
import { frameRecord, readRecords } from './record.js';
import { asWritten, textTable } from './text-table.js';

/** What a stage's rows say in every line, and no curve shows. */
const notDrawn: ReadonlySet<string> = new Set(['step', 'stage']);

/** Where a stage's event files go: TensorBoard then shows each stage as a run. */
export function tensorBoardDirectory(
  outputDir: string,
  { stage, method }: { readonly stage: number; readonly method: string },
): string {
  return join(outputDir, 'tensorboard', `${stage}-${method}`);
}

/** A line of evaluations.jsonl: its numbers have names such as `eval_loss`. */
export interface EvaluationLine {
  readonly step: number;
}

/** What the policy wrote after a step. */
export interface SampledLine {
  readonly step: number;
  readonly completions: readonly { readonly prompt: string; readonly completion: string }[];
}

/** What the journal holds of a stage, each kind in the order of its steps. */
export interface StageHistory {
  readonly rows: readonly MetricsRow[];
  readonly evaluations: readonly EvaluationLine[];
  readonly samples: readonly SampledLine[];
}

const SAMPLES_TAG = 'samples';

/**
 * A stage's metrics as TensorBoard's event files, with the tags that `transformers` and TRL give them (`train/loss`,
 * `eval/loss`), and its samples as texts. Every opening begins a new file, which goes on after the last step that the
 * ones before hold.
 */
export class TensorBoardLog {
  readonly #file: string;
  readonly #handle: FileHandle;

  private constructor(file: string, handle: FileHandle) {
    this.#file = file;
    this.#handle = handle;
  }

  /** @param history what no file holds of it is written first */
  static async open(directory: string, history: StageHistory): Promise<TensorBoardLog> {
    await mkdir(directory, { recursive: true });
    const files = (await readdir(directory)).filter((name) => name.startsWith(PREFIX)).sort();
    const written = await lastStepsOf(files.map((name) => join(directory, name)));
    const known = Math.min(written.train, history.rows.at(-1)?.step ?? 0);
    const file = join(directory, fileName(files.at(-1)));
    const log = new TensorBoardLog(file, await open(file, 'ax'));
    try {
      await log.#write({ step: 0, fileVersion: 'brain.Event:2' });
      if (files.length > 0) {
        const status = tensorboard.SessionLog.Status.START;
        await log.#write({ step: known + 1, sessionLog: { status } });
      }
      const lacks = (last: number) => (line: { readonly step: number }) => line.step > Math.min(last, known);
      for (const row of history.rows.filter(lacks(known))) await log.append(row);
      for (const line of history.evaluations.filter(lacks(written.eval))) await log.appendEvaluation(line);
      for (const line of history.samples.filter(lacks(written.samples))) await log.appendSamples(line);
      return log;
    } catch (error) {
      await log.#handle.close();
      throw error;
    }
  }

  async append(row: MetricsRow): Promise<void> {
    const drawn = Object.entries(row).filter(([key]) => !notDrawn.has(key));
    await this.#writeNumbers(
      row.step,
      drawn.map(([key, value]) => [`train/${key}`, value]),
    );
  }

  async appendEvaluation(line: EvaluationLine): Promise<void> {
    const drawn = Object.entries(line).filter(([key]) => key.startsWith('eval_'));
    await this.#writeNumbers(
      line.step,
      drawn.map(([key, value]) => [key.replace('eval_', 'eval/'), value]),
    );
  }

  async appendSamples({ step, completions }: SampledLine): Promise<void> {
    const rows = completions.map(({ prompt, completion }) => [asWritten(prompt), asWritten(completion)]);
    const table = textTable(SAMPLES_TAG, [['prompt', 'completion'], ...rows]);
    await this.#write({ step, summary: { value: [table] } });
  }

  /** What was written is on the disk then. */
  async close(): Promise<void> {
    try {
      await this.#handle.sync();
    } finally {
      await this.#handle.close();
    }
  }

  /** Of values that are null or text, none. */
  async #writeNumbers(step: number, values: readonly (readonly [tag: string, unknown])[]): Promise<void> {
    const value = values.flatMap(([tag, number]) =>
      typeof number === 'number' ? [{ tag, simpleValue: number }] : [],
    );
    await this.#write({ step, summary: { value } });
  }

  async #write(event: tensorboard.Event.$Properties): Promise<void> {
    const message = tensorboard.Event.encode({ ...event, wallTime: Date.now() / 1000 }).finish();
    try {
      await this.#handle.appendFile(frameRecord(message));
    } catch (error) {
      throw new RunError(`cannot write ${this.#file}: ${messageOf(error)}`);
    }
  }
}

const PREFIX = 'events.out.tfevents.';

/** TensorBoard reads a directory's files in the order of their names, which begin with the time in seconds. */
function fileName(previous: string | undefined): string {
  const before = previous === undefined ? 0 : Number(previous.slice(PREFIX.length).split('.')[0]);
  const seconds = Math.max(Math.floor(Date.now() / 1000), before + 1);
  return `${PREFIX}${seconds}.${hostname()}.${process.pid}`;
}

type Kind = 'train' | 'eval' | 'samples';

/** The last step of each kind in event files: of the training 0 for none, as its steps begin at 1. */
async function lastStepsOf(files: readonly string[]): Promise<Readonly<Record<Kind, number>>> {
  const last: Record<Kind, number> = { train: 0, eval: -1, samples: -1 };
  for (const file of files) {
    for (const record of readRecords(await readFile(file))) {
      const { step, summary } = tensorboard.Event.decode(record);
      const kind = kindOf(summary?.value?.[0]?.tag ?? '');
      if (kind !== null) last[kind] = Math.max(last[kind], step);
    }
  }
  return last;
}

function kindOf(tag: string): Kind | null {
  if (tag === SAMPLES_TAG) return 'samples';
  if (tag.startsWith('train/')) return 'train';
  return tag.startsWith('eval/') ? 'eval' : null;
}
