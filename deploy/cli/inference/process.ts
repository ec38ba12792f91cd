import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { ConfigError, messageOf, UserError } from '../../../lib/errors.js';
import { generateTokens } from '../../../worker/inference/generate.js';
import { openForInference } from '../../../worker/inference/open.js';
import { scoreSequences } from '../../../worker/inference/score.js';
import { mergeAdapter } from '../../../worker/model/adapter/merge.js';
import { configureThreads } from '../../../worker/tensorflow/environment.js';
import type { AnswerMessage, RequestMessage, Requests } from './protocol.js';

/**
 * The process that computes for the command line (`node process.js THREADS`): it answers what its parent asks over IPC, and ends
 * with it.
 */

/** Sequences computed together: enough to keep a few cores busy, few enough for any model that trains. */
const batchSize = 8;

const threads = Number(process.argv[2]);

process.on('message', (request: RequestMessage) => {
  void answer(request).then(send);
});
process.on('disconnect', () => process.exit());
// A long computation holds this thread up; the other one notices at once when the parent is gone.
new Worker(new URL('./parent-watch.js', import.meta.url));

function send(message: AnswerMessage): void {
  process.send?.(message);
}

async function answer(request: RequestMessage): Promise<AnswerMessage> {
  try {
    return { kind: 'answer', value: await compute(request) };
  } catch (error) {
    return {
      kind: 'error',
      message: messageOf(error),
      badInput: error instanceof ConfigError,
      defect: !(error instanceof UserError),
    };
  }
}

async function compute(request: RequestMessage): Promise<Float64Array | Int32Array[] | null> {
  switch (request.kind) {
    case 'score':
      return requireFinite(
        scoreSequences(openForInference(request.modelDir, threads), request.sequences, { batchSize }),
        request.modelDir,
      );
    case 'generate':
      return generate(request);
    case 'merge':
      configureThreads(threads);
      mergeAdapter(request.modelDir, request.adapterDir, request.targetDir);
      return null;
  }
}

async function generate({ modelDir, prompts, options }: Requests['generate']['request']) {
  const replies = prompts.map((): number[] => []);
  for (const generated of generateTokens(openForInference(modelDir, threads), prompts, options)) {
    const { prompt, token } = generated;
    if (token !== null) replies[prompt]!.push(token);
    send({ kind: 'progress', value: generated });
    // What was sent leaves this process between two turns.
    await nextTurn();
  }
  return replies.map((ids) => Int32Array.from(ids));
}

function requireFinite(logps: Float64Array, modelDir: string): Float64Array {
  if (logps.every(Number.isFinite)) return logps;
  throw new ConfigError(
    `${modelDir}: gives log-probs that are not finite; its weights hold NaN or infinity, or overflow`,
  );
}
