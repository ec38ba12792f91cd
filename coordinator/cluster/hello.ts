import { RunError } from '../../lib/errors.js';
import { isCurveKey } from '../../lib/security/curve-key.js';
import { quote } from '../../lib/text.js';
import type { MemberRecord } from '../journal/records.js';
import { v1 } from '../../proto/services.js';
import type { HeldState } from './held-state.js';

/** A worker's Hello, checked. */
export interface Introduction {
  readonly record: MemberRecord;
  /** Of the worker's process, which may lose its stream and come back. */
  readonly sessionId: string;
  /** What it still has from before; null for a new one. */
  readonly held: HeldState | null;
  /** A step that it has computed and whose commit it does not know of; 0 for none. */
  readonly proposedStep: number;
}

/** Throws a RunError where the Hello is not complete. */
export function readHello(hello: v1.Hello.$Properties): Introduction {
  const { workerId, collectiveEndpoint, fingerprint, sessionId, held } = hello;
  if (!workerId || !collectiveEndpoint || !fingerprint || !sessionId) {
    throw new RunError(
      `a worker's hello lacks its id, session, collective endpoint or fingerprint: ${JSON.stringify(hello)}`,
    );
  }
  const collectivePublicKey = hello.collectivePublicKey ?? '';
  // The others would take it for what it is not, and fail.
  if (collectivePublicKey !== '' && !isCurveKey(collectivePublicKey))
    throw new RunError(
      `${workerId} says that its public key is ${quote(collectivePublicKey)}, which is none`,
    );
  const record = {
    workerId,
    collectiveEndpoint,
    collectivePublicKey,
    fingerprint: {
      tensorflowVersion: fingerprint.tensorflowVersion ?? '',
      device: fingerprint.device ?? '',
      threads: fingerprint.threads ?? 0,
    },
  };
  return {
    record,
    sessionId,
    held: held ? readHeld(held, workerId) : null,
    proposedStep: held?.proposedStep ?? 0,
  };
}

function readHeld(held: v1.HeldState.$Properties, workerId: string): HeldState | null {
  const { stage, step, rank, worldSize } = v1.HeldState.create(held);
  if (worldSize < 1 || rank >= worldSize) {
    throw new RunError(`${workerId} says that it holds the state of rank ${rank} of ${worldSize} workers`);
  }
  return { stage, step, rank, worldSize };
}

/** How a worker cannot talk with one that is there, because one of the two encrypts; null where it can. */
export function encryptionDifference(there: MemberRecord, member: MemberRecord): string | null {
  const [mine, theirs] = [member, there].map(({ collectivePublicKey }) =>
    collectivePublicKey === '' ? 'plain' : 'curve',
  );
  if (mine === theirs) return null;
  return (
    `is not like ${there.workerId}: its --collective-security is ${mine!}, not ${theirs!}; ` +
    'start all workers of a run with the same'
  );
}

/**
 * How a worker would compute other bits than `first`, the worker of the run that joined first; null where it would not.
 * The run would otherwise depend on who computed what.
 */
export function differenceFrom(first: MemberRecord, member: MemberRecord): string | null {
  const fields = {
    tensorflowVersion: 'TensorFlow version',
    device: 'device',
    threads: 'thread count',
  } as const;
  for (const [field, name] of Object.entries(fields) as [keyof typeof fields, string][]) {
    const [mine, theirs] = [member.fingerprint[field], first.fingerprint[field]];
    if (mine === theirs) continue;
    return (
      `is not like ${first.workerId}: its ${name} is ${mine}, not ${theirs}; ` +
      'the workers of a run must compute the same bits, so use machines of one kind'
    );
  }
  return null;
}
