import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Handlers } from '../../proto/calls.js';
import { v1, type clusterService } from '../../proto/services.js';
import { NotFoundError, toStatus } from '../service/status.js';
import type { WorkerGroup } from './worker-group.js';

type JoinStream = ServerDuplexStream<v1.JoinRequest, v1.JoinResponse.$Properties>;

/** The groups that workers may join, by run. */
export type OpenGroups = Map<string, WorkerGroup>;

/** Hands every worker's stream to the group of its run; a stream begins with Hello. */
export function clusterHandlers(groups: OpenGroups): Handlers<typeof clusterService> {
  return { join: (call) => joinGroup(call, groups) };
}

function joinGroup(call: JoinStream, groups: OpenGroups): void {
  let joined: { group: WorkerGroup; workerId: string } | undefined;

  call.on('data', (message: v1.JoinRequest) => {
    if (joined !== undefined) {
      joined.group.received(joined.workerId, message);
      return;
    }
    try {
      joined = admit(message, call, groups);
    } catch (error) {
      call.emit('error', toStatus(error));
    }
  });

  const closed = () => {
    joined?.group.disconnected(joined.workerId);
    call.end();
  };
  call.once('end', closed);
  call.once('cancelled', closed);
}

function admit({ hello }: v1.JoinRequest, call: JoinStream, groups: OpenGroups) {
  const group = groups.get(hello?.runId ?? '');
  if (!hello || group === undefined) {
    throw new NotFoundError(`no run ${hello?.runId ?? ''} is waiting for workers`);
  }
  group.admit(hello, { send: (message) => call.write(message) });
  return { group, workerId: hello.workerId ?? '' };
}
