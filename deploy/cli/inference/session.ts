import { fork, type ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { ConfigError, RunError } from '../../../lib/errors.js';
import { describeExit } from '../../../lib/process/child.js';
import { packagePath } from '../../../lib/package.js';
import type { AnswerMessage, Kind, RequestMessage, Requests } from './protocol.js';

/** Asks the inference process; one request at a time. */
export type Inference = <K extends Kind>(
  kind: K,
  request: Requests[K]['request'],
  onProgress?: (progress: Requests[K]['progress']) => void,
) => Promise<Requests[K]['answer']>;

/**
 * Runs `body` with a process of its own for TensorFlow, on all cores. So the command line stays responsive, gives the memory
 * back, and keeps the library's notices to itself unless something fails.
 */
export async function withInference<T>(body: (inference: Inference) => Promise<T>): Promise<T> {
  const child = fork(packagePath('dist/deploy/cli/inference/process.js'), [String(availableParallelism())], {
    serialization: 'advanced',
    stdio: ['pipe', 'ignore', 'pipe', 'ipc'],
  });
  const errors = collectErrors(child);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  try {
    return await body((kind, request, onProgress) => {
      const message = { kind, ...request } as RequestMessage;
      return ask(child, message, onProgress ?? (() => undefined), errors);
    });
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
}

/** Resolves with the value that the process computed: `protocol.ts` pairs it, and the progress, with the request. */
function ask<Answer>(
  child: ChildProcess,
  request: RequestMessage,
  onProgress: (progress: never) => void,
  errors: () => string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const done = () => {
      child.off('message', onMessage).off('exit', onExit).off('error', onError);
    };
    const onMessage = (message: AnswerMessage) => {
      if (message.kind === 'progress') {
        onProgress(message.value as never);
        return;
      }
      done();
      if (message.kind === 'answer') resolve(message.value as Answer);
      else if (message.defect) reject(new Error(message.message));
      else reject(message.badInput ? new ConfigError(message.message) : new RunError(message.message));
    };
    const onExit = () => {
      done();
      const how = describeExit({ code: child.exitCode, signal: child.signalCode });
      const why = errors();
      reject(new RunError(`the process that computes with the model ${how}${why === '' ? '' : `: ${why}`}`));
    };
    const onError = (error: Error) => {
      done();
      reject(error);
    };
    child.on('message', onMessage).on('exit', onExit).on('error', onError);
    if (child.exitCode !== null || child.signalCode !== null) onExit();
    else child.send(request);
  });
}

/** What TensorFlow's log says of itself, at every start. */
const notice = /^(WARNING: All log messages before absl|[IW]\d{4} )/;

/** The last line of what the process wrote to standard error, but for notices. */
function collectErrors(child: ChildProcess): () => string {
  let tail = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (tail = (tail + text).slice(-10_000)));
  return () => tail.split('\n').findLast((line) => line.trim() !== '' && !notice.test(line)) ?? '';
}
