import { status, type Client, type ServiceError } from '@grpc/grpc-js';
import { ConfigError, RunError } from '../../../lib/errors.js';
import { callUnary, openServerStream } from '../../../proto/calls.js';
import { runService, v1 } from '../../../proto/services.js';

/** The coordinator is gone, or does not answer. */
export class CoordinatorLost extends RunError {}

/**
 * Gives a run to the coordinator; returns its id.
 * @throws ConfigError where the coordinator refuses the run file or its data.
 */
export async function submitRun(client: Client, request: v1.SubmitRunRequest.$Properties): Promise<string> {
  const { run } = await callUnary(client, runService.submitRun, request).catch(throwAsUserError);
  if (!run?.id) throw new RunError('the coordinator took the run but named no id');
  return run.id;
}

/** `save`: write a checkpoint of the last committed step first. */
export async function cancelRun(client: Client, runId: string, { save = false } = {}): Promise<void> {
  await callUnary(client, runService.cancelRun, { runId, save }).catch(throwAsUserError);
}

/** Queues a run that was cancelled or has failed again. */
export async function resumeRun(client: Client, runId: string): Promise<void> {
  await callUnary(client, runService.resumeRun, { runId }).catch(throwAsUserError);
}

/** Changes how many workers a run should have. */
export async function resizeRun(client: Client, runId: string, workers: number): Promise<void> {
  await callUnary(client, runService.resizeRun, { runId, workers }).catch(throwAsUserError);
}

export async function listRuns(client: Client): Promise<readonly v1.Run.$Properties[]> {
  const { runs } = await callUnary(client, runService.listRuns, {}).catch(throwAsUserError);
  return runs;
}

/** The events of a run after one of them, or from its first on, until it ends. */
export async function* watchRun(
  client: Client,
  runId: string,
  afterSequence: number,
): AsyncGenerator<v1.WatchRunResponse> {
  const stream = openServerStream(client, runService.watchRun, { runId, afterSequence });
  try {
    yield* stream as AsyncIterable<v1.WatchRunResponse>;
  } catch (error) {
    throwAsUserError(error);
  } finally {
    stream.cancel();
  }
}

/** The statuses that the coordinator answers with on purpose; every other one means that it is gone or broken. */
function throwAsUserError(error: unknown): never {
  if (!isServiceError(error)) throw error;
  const { code, details } = error;
  if (code === status.INVALID_ARGUMENT) throw new ConfigError(details);
  if (code === status.NOT_FOUND || code === status.FAILED_PRECONDITION) throw new RunError(details);
  throw new CoordinatorLost(`the coordinator does not answer (${status[code]}: ${details})`);
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error;
}
