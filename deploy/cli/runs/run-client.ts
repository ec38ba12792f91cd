import { status, type Client, type ServiceError } from '@grpc/grpc-js';
import { ConfigError, RunError } from '../../../lib/errors.js';
import { callUnary, openServerStream } from '../../../proto/calls.js';
import { runService, uploadService, v1, type Rpc } from '../../../proto/services.js';

/** The coordinator is gone, or does not answer. */
export class CoordinatorLost extends RunError {
  constructor(
    message: string,
    /** False where it is there and broken: asking again would not help. */
    readonly mayReturn: boolean,
  ) {
    super(message);
  }
}

interface CallOptions {
  readonly signal?: AbortSignal;
}

/**
 * Gives a run to the coordinator.
 * @throws ConfigError where the coordinator refuses the run file or its data.
 */
export async function submitRun(client: Client, request: v1.SubmitRunRequest.$Properties): Promise<v1.Run> {
  return requireRun((await call(client, runService.submitRun, request)).run);
}

export async function getRun(client: Client, runId: string, options?: CallOptions): Promise<v1.Run> {
  return requireRun((await call(client, runService.getRun, { runId }, options)).run);
}

/** All runs, oldest first. */
export async function listRuns(client: Client): Promise<readonly v1.Run[]> {
  return (await call(client, runService.listRuns, {})).runs.map((run) => v1.Run.create(run));
}

/** `save`: write a checkpoint of the last committed step first. */
export async function cancelRun(client: Client, runId: string, { save = false } = {}): Promise<v1.Run> {
  return requireRun((await call(client, runService.cancelRun, { runId, save })).run);
}

/** Queues a run that was cancelled or has failed again. */
export async function resumeRun(client: Client, runId: string): Promise<v1.Run> {
  return requireRun((await call(client, runService.resumeRun, { runId })).run);
}

/** Changes how many workers a run should have. */
export async function resizeRun(client: Client, runId: string, workers: number): Promise<v1.Run> {
  return requireRun((await call(client, runService.resizeRun, { runId, workers })).run);
}

export function getCoordinator(client: Client, options?: CallOptions): Promise<v1.GetCoordinatorResponse> {
  return call(client, runService.getCoordinator, {}, options);
}

/** Bytes that the coordinator holds of each file. */
export async function findUploads(
  client: Client,
  uploads: readonly v1.Upload.$Properties[],
  options?: CallOptions,
): Promise<readonly number[]> {
  const { held } = await call(client, uploadService.findUploads, { uploads: [...uploads] }, options);
  if (held.length === uploads.length) return held;
  throw new RunError(`the coordinator was asked for ${uploads.length} files and answered of ${held.length}`);
}

/** Sends a part of a file; returns the bytes that the coordinator holds of it now. */
export async function putChunk(
  client: Client,
  request: v1.PutChunkRequest.$Properties,
  options?: CallOptions,
): Promise<number> {
  return (await call(client, uploadService.putChunk, request, options)).held;
}

export interface WatchOptions extends CallOptions {
  /** Only events after this one; by default all. */
  readonly afterSequence?: number;
  /** End with the last event that is there now. */
  readonly historyOnly?: boolean;
}

/** The events of a run until it ends. Rejects with the signal's reason once it is aborted. */
export function watchRun(
  client: Client,
  runId: string,
  { afterSequence = 0, historyOnly = false, signal }: WatchOptions = {},
): AsyncGenerator<v1.WatchRunResponse> {
  return stream(client, runService.watchRun, { runId, afterSequence, historyOnly }, signal);
}

export interface ReadLogOptions extends CallOptions {
  readonly process: string;
  /** Bytes to leave out at the beginning. */
  readonly offset: number;
  /** Go on until the run ends. */
  readonly follow: boolean;
}

/** What a process of a run has logged, in pieces. Rejects with the signal's reason once it is aborted. */
export async function* readLog(
  client: Client,
  runId: string,
  { signal, ...request }: ReadLogOptions,
): AsyncGenerator<Uint8Array> {
  for await (const { data } of stream(client, runService.readLog, { runId, ...request }, signal)) yield data;
}

async function* stream<RequestIn, ResponseOut>(
  client: Client,
  method: Rpc<'serverStream', RequestIn, unknown, never, ResponseOut>,
  request: RequestIn,
  signal: AbortSignal | undefined,
): AsyncGenerator<ResponseOut> {
  const responses = openServerStream(client, method, request);
  const cancel = () => responses.cancel();
  if (signal?.aborted === true) cancel();
  else signal?.addEventListener('abort', cancel, { once: true });
  try {
    yield* responses as AsyncIterable<ResponseOut>;
  } catch (error) {
    signal?.throwIfAborted();
    throwAsUserError(error);
  } finally {
    signal?.removeEventListener('abort', cancel);
    responses.cancel();
  }
}

async function call<RequestIn, ResponseOut>(
  client: Client,
  method: Rpc<'unary', RequestIn, unknown, never, ResponseOut>,
  request: RequestIn,
  options: CallOptions = {},
): Promise<ResponseOut> {
  try {
    return await callUnary(client, method, request, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    throwAsUserError(error);
  }
}

function requireRun(run: v1.Run.$Properties | null | undefined): v1.Run {
  if (run?.id) return v1.Run.create(run);
  throw new RunError('the coordinator answered without a run');
}

/** The coordinator is there, and will say the same the next time. */
const refusals: readonly number[] = [
  status.NOT_FOUND,
  status.FAILED_PRECONDITION,
  status.RESOURCE_EXHAUSTED,
  status.PERMISSION_DENIED,
  status.UNAUTHENTICATED,
];

/** The statuses that the coordinator answers with on purpose; every other one means that it is gone or broken. */
function throwAsUserError(error: unknown): never {
  if (!isServiceError(error)) throw error;
  const { code, details } = error;
  if (code === status.INVALID_ARGUMENT) throw new ConfigError(details);
  if (refusals.includes(code)) throw new RunError(details);
  if (code === status.UNIMPLEMENTED)
    throw new RunError(`the coordinator is of a version that cannot do this (${details})`);
  // grpc-js calls a stream INTERNAL that was reset, too.
  const isBroken = code === status.INTERNAL && !details.includes('RST_STREAM');
  throw new CoordinatorLost(
    `the coordinator ${isBroken ? 'failed' : 'does not answer'} (${status[code]}: ${details})`,
    !isBroken,
  );
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error;
}
