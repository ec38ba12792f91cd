import { rmSync } from 'node:fs';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import type { ReferenceModel } from '../../lib/config/reference-model.js';
import { ConfigError, UserError, messageOf } from '../../lib/errors.js';
import { channelOptions, serve, type StatusLike } from '../../proto/calls.js';
import { referenceService, type v1 } from '../../proto/services.js';
import { ComputeThreadEnded } from '../compute/engine-thread.js';
import { completesSamePrompt, type Sequence } from '../model/batch.js';
import { completionMessage } from './answer.js';
import { OtherModel, type ServedModel } from './served-model.js';

/** A caller's mistake: answered with INVALID_ARGUMENT. */
class BadRequest extends UserError {}

/** Reads a request. @throws BadRequest naming the sequence that is wrong */
export function readSequences(request: v1.LogProbsRequest, vocabSize: number): Sequence[] {
  if (request.sequences.length === 0) throw new BadRequest('a request needs at least one sequence');
  return request.sequences.map(({ ids, completionStart }, index) => {
    const tokens = Int32Array.from(ids ?? []);
    const start = completionStart ?? 0;
    if (start < 1 || start >= tokens.length) {
      throw new BadRequest(
        `sequence ${index}: completion_start ${start} is not inside its ${tokens.length} tokens`,
      );
    }
    const stranger = tokens.find((id) => id < 0 || id >= vocabSize);
    if (stranger !== undefined) {
      throw new BadRequest(
        `sequence ${index}: token id ${stranger} is outside the vocabulary of ${vocabSize}`,
      );
    }
    return { ids: tokens, completionStart: start };
  });
}

/** Reads how many of the last sequences are branches. @throws BadRequest where one has no prompt to branch from */
export function readBranches(
  { branches }: Pick<v1.LogProbsRequest, 'branches'>,
  sequences: readonly Sequence[],
): number {
  const trunks = sequences.slice(0, Math.max(0, sequences.length - branches));
  if (trunks.length === 0) {
    throw new BadRequest(`${branches} of ${sequences.length} sequences are said to be branches of others`);
  }
  const stray = sequences.findIndex(
    (sequence, index) =>
      index >= trunks.length && !trunks.some((trunk) => completesSamePrompt(sequence, trunk)),
  );
  if (stray >= 0) throw new BadRequest(`sequence ${stray} has the prompt of none before it`);
  return branches;
}

function readModel({ model }: v1.LogProbsRequest): ReferenceModel {
  const modelDir = model?.directory ?? '';
  if (modelDir === '') throw new BadRequest('a request needs the name of a model');
  return { modelDir, adapterDir: model?.adapterDirectory || null };
}

function toStatus(error: unknown): StatusLike {
  return { code: codeOf(error), details: messageOf(error) };
}

function codeOf(error: unknown): status {
  if (error instanceof BadRequest) return status.INVALID_ARGUMENT;
  if (error instanceof ConfigError) return status.FAILED_PRECONDITION;
  // The process ends then, or serves the other model soon, and may be asked again.
  const isPassing = error instanceof ComputeThreadEnded || error instanceof OtherModel;
  return isPassing ? status.UNAVAILABLE : status.INTERNAL;
}

async function answer(
  request: v1.LogProbsRequest,
  served: ServedModel,
): Promise<v1.LogProbsResponse.$Properties> {
  const model = readModel(request);
  const sequences = readSequences(request, served.vocabSizeOf(model));
  const leaf = { sequences, branches: readBranches(request, sequences), byToken: request.byToken };
  const { completions, cached } = await served.score(model, leaf);
  return { completions: completions.map(completionMessage), cached };
}

/**
 * Serves the reference's log-probs on a Unix socket, in the place of a socket that a killed replica left there.
 */
export async function serveReference(socketPath: string, served: ServedModel): Promise<Server> {
  const server = new Server(channelOptions);
  serve(server, referenceService, { logProbs: (request) => answer(request, served) }, toStatus);
  new HealthImplementation({ '': 'SERVING', 'prospect.v1.ReferenceService': 'SERVING' }).addToServer(server);
  rmSync(socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
  return server;
}
