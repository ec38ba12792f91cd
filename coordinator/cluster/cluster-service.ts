import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Handlers } from '../../proto/calls.js';
import { v1, type clusterService } from '../../proto/services.js';
import { NotFoundError, toStatus } from '../service/status.js';
import { NoPlace, type Crew, type Session } from './crew.js';

type JoinStream = ServerDuplexStream<v1.JoinRequest, v1.JoinResponse.$Properties>;

/** The crews that workers may join, by run. */
export type OpenCrews = Map<string, Crew>;

/** Hands every worker's stream to the crew of its run; a stream begins with Hello. */
export function clusterHandlers(crews: OpenCrews): Handlers<typeof clusterService> {
  return { join: (call) => joinCrew(call, crews) };
}

function joinCrew(call: JoinStream, crews: OpenCrews): void {
  let session: Session | undefined;

  call.on('data', (message: v1.JoinRequest) => {
    if (session !== undefined) {
      session.received(message);
      return;
    }
    try {
      session = admit(message, call, crews);
    } catch (error) {
      if (error instanceof NoPlace) session = sendAway(call, error.message);
      else call.emit('error', toStatus(error));
    }
  });

  const closed = () => {
    session?.closed();
    call.end();
  };
  call.once('end', closed);
  call.once('cancelled', closed);
}

/** Nothing has gone wrong: the worker ends as one does that is not needed any more. What it says meanwhile is void. */
function sendAway(call: JoinStream, reason: string): Session {
  call.write({ stop: { reason } });
  call.end();
  return { received: () => undefined, closed: () => undefined };
}

function admit({ hello }: v1.JoinRequest, call: JoinStream, crews: OpenCrews): Session {
  const crew = crews.get(hello?.runId ?? '');
  if (!hello || crew === undefined) {
    throw new NotFoundError(`no run ${hello?.runId ?? ''} is waiting for workers`);
  }
  return crew.admit(hello, { send: (message) => call.write(message), end: () => call.end() });
}
