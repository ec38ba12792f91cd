import { rmSync } from 'node:fs';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { UserError, messageOf } from '../../lib/errors.js';
import { channelOptions, serve, type StatusLike } from '../../proto/calls.js';
import { referenceService, type v1 } from '../../proto/services.js';
import { ComputeThreadEnded, type EngineThread } from '../compute/engine-thread.js';
import type { Sequence } from '../model/language-model.js';
import { completionMessage } from './answer.js';
import type { ReferenceCache } from './cache/reference-cache.js';
import type { OpenReference, ReferenceEngine } from './reference-engine.js';

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

function toStatus(error: unknown): StatusLike {
  return { code: codeOf(error), details: messageOf(error) };
}

function codeOf(error: unknown): status {
  if (error instanceof BadRequest) return status.INVALID_ARGUMENT;
  // The process ends then, and the next one may be asked again.
  return error instanceof ComputeThreadEnded ? status.UNAVAILABLE : status.INTERNAL;
}

/** What the service answers with. */
export interface Replica {
  readonly engine: EngineThread<OpenReference, ReferenceEngine>;
  readonly vocabSize: number;
  /** Null to compute every leaf. */
  readonly cache: ReferenceCache | null;
}

/** Log-probs of one micro-batch: known from before, or computed whole and alone, one after the other. */
async function answer(
  request: v1.LogProbsRequest,
  { engine, vocabSize, cache }: Replica,
): Promise<v1.LogProbsResponse.$Properties> {
  const { byToken } = request;
  const leaf = { sequences: readSequences(request, vocabSize), byToken };
  const known = (await cache?.find(leaf)) ?? null;
  const completions = known ?? (await engine.call('score', leaf.sequences, byToken));
  if (known === null) cache?.keep(leaf, completions);
  return { completions: completions.map(completionMessage), cached: known !== null };
}

/**
 * Serves the reference's log-probs on a Unix socket, in the place of a socket that a killed replica left there. Requests
 * that come while the engine still opens wait for it.
 */
export async function serveReference(socketPath: string, replica: Replica): Promise<Server> {
  const server = new Server(channelOptions);
  serve(server, referenceService, { logProbs: (request) => answer(request, replica) }, toStatus);
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
