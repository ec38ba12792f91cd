import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../../lib/errors.js';
import { decodeParquet, type DecodeLimits } from './parquet-decoder.js';

/** What the thread is started with. */
export interface DecodeTask {
  readonly file: string;
  readonly limits: DecodeLimits;
}

/** What it answers, once for every message that it gets; nothing after the last two. */
export type DecodeAnswer =
  | { readonly kind: 'rows'; readonly rows: readonly unknown[] }
  | { readonly kind: 'end' }
  | { readonly kind: 'unsound'; readonly message: string };

const { file, limits } = workerData as DecodeTask;
const slices = decodeParquet(file, limits);

async function nextAnswer(): Promise<DecodeAnswer> {
  try {
    const next = await slices.next();
    return next.done === true ? { kind: 'end' } : { kind: 'rows', rows: next.value };
  } catch (error) {
    return { kind: 'unsound', message: messageOf(error) };
  }
}

parentPort?.on('message', () => void nextAnswer().then((answer) => parentPort?.postMessage(answer)));
