import { mkdir, open, readdir, readFile, type FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { messageOf, RunError } from '../../lib/errors.js';
import { tensorboard } from '../../proto/services.js';
import type { MetricsRow } from '../runs/metrics-row.js';
import { frameRecord, readRecords } from './record.js';

/** What a stage's rows say in every line, and no curve shows. */
const notDrawn: ReadonlySet<string> = new Set(['step', 'stage']);

/** Where a stage's event files go: TensorBoard then shows each stage as a run. */
export function tensorBoardDirectory(
  outputDir: string,
  { stage, method }: { readonly stage: number; readonly method: string },
): string {
  return join(outputDir, 'tensorboard', `${stage}-${method}`);
}

/**
 * A stage's metrics as TensorBoard's event files, with the tags that `transformers` and TRL give them (`train/loss`).
 * Every opening begins a new file, which goes on after the last step that the ones before hold.
 */
export class TensorBoardLog {
  readonly #file: string;
  readonly #handle: FileHandle;

  private constructor(file: string, handle: FileHandle) {
    this.#file = file;
    this.#handle = handle;
  }

  /** @param committed the stage's rows in the journal: those that no file holds are written first */
  static async open(directory: string, committed: readonly MetricsRow[]): Promise<TensorBoardLog> {
    await mkdir(directory, { recursive: true });
    const files = (await readdir(directory)).filter((name) => name.startsWith(PREFIX)).sort();
    const written = await lastStepOf(files.map((name) => join(directory, name)));
    const known = Math.min(written, committed.at(-1)?.step ?? 0);
    const file = join(directory, fileName(files.at(-1)));
    const log = new TensorBoardLog(file, await open(file, 'ax'));
    try {
      await log.#write({ step: 0, fileVersion: 'brain.Event:2' });
      if (written > 0) {
        const status = tensorboard.SessionLog.Status.START;
        await log.#write({ step: known + 1, sessionLog: { status } });
      }
      for (const row of committed) if (row.step > known) await log.append(row);
      return log;
    } catch (error) {
      await log.#handle.close();
      throw error;
    }
  }

  async append(row: MetricsRow): Promise<void> {
    const value = Object.entries(row)
      .filter(([key, number]) => typeof number === 'number' && !notDrawn.has(key))
      .map(([key, number]) => ({ tag: `train/${key}`, simpleValue: number as number }));
    await this.#write({ step: row.step, summary: { value } });
  }

  /** What was written is on the disk then. */
  async close(): Promise<void> {
    try {
      await this.#handle.sync();
    } finally {
      await this.#handle.close();
    }
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

/** The last step in event files; 0 for none. */
async function lastStepOf(files: readonly string[]): Promise<number> {
  let last = 0;
  for (const file of files) {
    for (const record of readRecords(await readFile(file))) {
      const { step, summary } = tensorboard.Event.decode(record);
      if (summary) last = Math.max(last, step);
    }
  }
  return last;
}
