import {
  ResponderBuilder,
  ServerInterceptingCall,
  ServerListenerBuilder,
  status,
  type Metadata,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import type { Connection, Door, Ends } from './door.js';
import type { Identity } from './identity.js';
import { callRate as defaultCallRate, MOST_REFUSALS } from './limits.js';
import { RateLimit, type Rate } from './rate-limit.js';
import type { RefusalReason, Refusals } from './refusals.js';
import { mayCall, rolesFor } from './rights.js';

/** Who makes a call, or how to make oneself known. */
export type Recognized =
  | { readonly identity: Identity }
  | { readonly identity: null; readonly reason: 'certificate' | 'token'; readonly why: string };

export type Recognize = (connection: Connection, metadata: Metadata) => Recognized;

interface Refusal {
  readonly reason: RefusalReason;
  readonly status: { readonly code: status; readonly details: string };
}

const TOO_MANY: Refusal = {
  reason: 'rate',
  status: { code: status.RESOURCE_EXHAUSTED, details: 'too many calls: slow down' },
};

/**
 * Lets a call pass whose caller may make it. All others are answered before a message of theirs is read.
 * @param doorOf the door that the calls come through
 */
export function gate(
  doorOf: () => Pick<Door, 'connectionOf'>,
  recognize: Recognize,
  {
    refusals,
    callRate = defaultCallRate,
  }: { readonly refusals: Refusals; readonly callRate?: Rate | undefined },
): ServerInterceptor {
  const rate = new RateLimit(callRate);
  const judge = (connection: Connection, path: string, from: string, metadata: Metadata) => {
    const recognized = recognize(connection, metadata);
    const { identity } = recognized;
    const refusal = rate.take(`${identity?.name ?? ''} ${from}`) ? verdict(recognized, path) : TOO_MANY;
    if (refusal === null) return null;
    const who = identity === null ? {} : { who: identity.name };
    refusals.note(refusal.reason, { from, ...who, method: path, why: refusal.status.details });
    connection.refusals += 1;
    return refusal.status;
  };
  return ({ path }, call) => {
    const onMetadata = (metadata: Metadata, next: (metadata: Metadata) => void) => {
      const ends: Ends = call.getConnectionInfo();
      const connection = doorOf().connectionOf(ends);
      // Whoever has hung up needs no answer.
      if (connection === undefined) return;
      const refused = judge(connection, path, ends.remoteAddress ?? '', metadata);
      // No handler has a use for it.
      metadata.remove('authorization');
      if (refused === null) next(metadata);
      else call.sendStatus(refused);
      // The answers before it have left by then.
      if (connection.refusals >= MOST_REFUSALS) setImmediate(() => connection.cut());
    };
    const listener = new ServerListenerBuilder().withOnReceiveMetadata(onMetadata).build();
    return new ServerInterceptingCall(
      call,
      new ResponderBuilder().withStart((next) => next(listener)).build(),
    );
  };
}

function verdict(recognized: Recognized, path: string): Refusal | null {
  if (recognized.identity === null) {
    const { reason, why: details } = recognized;
    return { reason, status: { code: status.UNAUTHENTICATED, details } };
  }
  const { name, role } = recognized.identity;
  if (role !== null && mayCall(role, path)) return null;
  const needed = rolesFor(path).join(' or ');
  const details = `${name} may not call ${path.slice(path.lastIndexOf('/') + 1)}, for which the role ${needed} is needed`;
  return { reason: 'role', status: { code: status.PERMISSION_DENIED, details } };
}
