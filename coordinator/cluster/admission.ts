import { RunError } from '../../lib/errors.js';
import type { MemberRecord } from '../journal/records.js';
import type { v1 } from '../../proto/services.js';

/**
 * Reads a worker's Hello. Throws a RunError where it is not complete, or where the worker would compute other bits than
 * `first`, the worker of the run that joined first: the run would then depend on who computed what.
 */
export function readHello(hello: v1.Hello.$Properties, first: MemberRecord | undefined): MemberRecord {
  const { workerId, collectiveEndpoint, fingerprint } = hello;
  if (!workerId || !collectiveEndpoint || !fingerprint) {
    throw new RunError(
      `a worker's hello lacks its id, collective endpoint or fingerprint: ${JSON.stringify(hello)}`,
    );
  }
  const member = {
    workerId,
    collectiveEndpoint,
    fingerprint: {
      tensorflowVersion: fingerprint.tensorflowVersion ?? '',
      device: fingerprint.device ?? '',
      threads: fingerprint.threads ?? 0,
    },
  };
  if (first !== undefined) requireAlike(member, first);
  return member;
}

function requireAlike(member: MemberRecord, first: MemberRecord): void {
  const fields = {
    tensorflowVersion: 'TensorFlow version',
    device: 'device',
    threads: 'thread count',
  } as const;
  for (const [field, name] of Object.entries(fields) as [keyof typeof fields, string][]) {
    const [mine, theirs] = [member.fingerprint[field], first.fingerprint[field]];
    if (mine === theirs) continue;
    throw new RunError(
      `${member.workerId} is not like ${first.workerId}: its ${name} is ${mine}, not ${theirs}; ` +
        'the workers of a run must compute the same bits, so use machines of one kind',
    );
  }
}
