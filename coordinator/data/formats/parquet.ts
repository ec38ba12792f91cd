import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ConfigError, messageOf } from '../../../lib/errors.js';
import type { DecodeLimits } from './parquet-decoder.js';
import type { DecodeAnswer, DecodeTask } from './parquet-thread.js';
import type { RawRow } from './raw-row.js';

export interface ParquetLimits extends DecodeLimits {
  /** Longest time that a slice may take. */
  readonly timeoutMs: number;
}

const LIMITS: ParquetLimits = { sliceBytes: 2 ** 25, maxGroupBytes: 2 ** 29, timeoutMs: 120_000 };

/**
 * Reads a Parquet file. It is decoded in a thread of its own: some damaged files make the decoder loop for ever, or
 * leave promises behind that nobody catches; and a slice takes seconds, in which this thread goes on.
 * @throws ConfigError for a file that is not sound.
 */
export async function* readParquet(
  file: string,
  limits: Partial<ParquetLimits> = {},
): AsyncGenerator<RawRow, void, undefined> {
  const { timeoutMs, ...decodeLimits } = { ...LIMITS, ...limits };
  const task: DecodeTask = { file, limits: decodeLimits };
  const thread = new DecodeThread(task, timeoutMs);
  try {
    let row = 0;
    for (;;) {
      const answer = await thread.ask().catch((error: unknown) => {
        throw unsound(file, messageOf(error));
      });
      if (answer.kind === 'end') return;
      if (answer.kind === 'unsound') throw unsound(file, answer.message);
      for (const value of answer.rows) {
        yield { row, where: `${file}[${row}]`, parse: () => value };
        row += 1;
      }
    }
  } finally {
    await thread.stop();
  }
}

class DecodeThread {
  readonly #thread: Worker;
  readonly #timeoutMs: number;
  /** Aborted with what ended the thread, whenever that was. */
  readonly #failure = new AbortController();

  constructor(task: DecodeTask, timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#thread = new Worker(new URL('./parquet-thread.js', import.meta.url), { workerData: task });
    this.#thread.on('error', (error) => this.#failure.abort(error));
  }

  /** @throws Error what ended the thread, or that it took too long. */
  async ask(): Promise<DecodeAnswer> {
    const failure = this.#failure.signal;
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    this.#thread.postMessage(null);
    try {
      const signal = AbortSignal.any([failure, timeout]);
      const [answer] = (await once(this.#thread, 'message', { signal })) as [DecodeAnswer];
      return answer;
    } catch (error) {
      failure.throwIfAborted();
      throw new Error(`a part of it takes more than ${this.#timeoutMs} ms`, { cause: error });
    }
  }

  async stop(): Promise<void> {
    await this.#thread.terminate();
  }
}

function unsound(file: string, reason: string): ConfigError {
  return new ConfigError(`cannot read ${file} as Parquet: ${reason}`);
}
