import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { UserError, messageOf } from '../../lib/errors.js';
import { channelOptions, serve, type StatusLike } from '../../proto/calls.js';
import { referenceService, type v1 } from '../../proto/services.js';
import type { EngineThread } from '../compute/engine-thread.js';
import type { Sequence } from '../model/language-model.js';
import { completionMessage } from './answer.js';
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
  const code = error instanceof BadRequest ? status.INVALID_ARGUMENT : status.INTERNAL;
  return { code, details: messageOf(error) };
}

/**
 * Serves the reference's log-probs on a Unix socket. Each request is one micro-batch, computed whole and alone, one after
 * the other on the compute thread.
 */
export async function serveReference(
  socketPath: string,
  engine: EngineThread<OpenReference, ReferenceEngine>,
  vocabSize: number,
): Promise<Server> {
  const server = new Server(channelOptions);
  const logProbs = async (request: v1.LogProbsRequest): Promise<v1.LogProbsResponse.$Properties> => ({
    completions: (await engine.call('score', readSequences(request, vocabSize), request.byToken)).map(
      completionMessage,
    ),
  });
  serve(server, referenceService, { logProbs }, toStatus);
  new HealthImplementation({ '': 'SERVING', 'prospect.v1.ReferenceService': 'SERVING' }).addToServer(server);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
  return server;
}
