import { Worker } from 'node:worker_threads';
import { ConfigError, messageOf, UserError } from '../../../lib/errors.js';
import { generate } from '../../../worker/inference/generate.js';
import { openForInference } from '../../../worker/inference/open.js';
import { scoreSequences } from '../../../worker/inference/score.js';
import { mergeAdapter } from '../../../worker/model/adapter/merge.js';
import { configureThreads } from '../../../worker/tensorflow/environment.js';
import type { AnswerMessage, RequestMessage } from './protocol.js';

/**
 * The process that computes for the command line (`node process.js THREADS`): it answers what its parent asks over IPC, and ends
 * with it.
 */

/** Sequences computed together: enough to keep a few cores busy, few enough for any model that trains. */
const batchSize = 8;

const threads = Number(process.argv[2]);

process.on('message', (request: RequestMessage) => {
  process.send?.(answer(request));
});
process.on('disconnect', () => process.exit());
// A long computation holds this thread up; the other one notices at once when the parent is gone.
new Worker(new URL('./parent-watch.js', import.meta.url));

function answer(request: RequestMessage): AnswerMessage {
  try {
    return { kind: 'answer', value: compute(request) };
  } catch (error) {
    return {
      kind: 'error',
      message: messageOf(error),
      badInput: error instanceof ConfigError,
      defect: !(error instanceof UserError),
    };
  }
}

function compute(request: RequestMessage): Float64Array | Int32Array[] | null {
  switch (request.kind) {
    case 'score':
      return requireFinite(
        scoreSequences(openForInference(request.modelDir, threads), request.sequences, { batchSize }),
        request.modelDir,
      );
    case 'generate':
      return generate(openForInference(request.modelDir, threads), request.prompts, request.options);
    case 'merge':
      configureThreads(threads);
      mergeAdapter(request.modelDir, request.adapterDir, request.targetDir);
      return null;
  }
}

function requireFinite(logps: Float64Array, modelDir: string): Float64Array {
  if (logps.every(Number.isFinite)) return logps;
  throw new ConfigError(
    `${modelDir}: gives log-probs that are not finite; its weights hold NaN or infinity, or overflow`,
  );
}
