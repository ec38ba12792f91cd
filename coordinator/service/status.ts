import { status } from '@grpc/grpc-js';
import { ConfigError, messageOf, UserError } from '../../lib/errors.js';
import type { StatusLike } from '../../proto/calls.js';

/** A call that names a run which does not exist. */
export class NotFoundError extends UserError {
  override readonly name = 'NotFoundError';
}

/** The gRPC status of anything that a handler threw: INVALID_ARGUMENT means that the caller must change something. */
export function toStatus(error: unknown): StatusLike {
  const details = messageOf(error);
  if (error instanceof ConfigError) return { code: status.INVALID_ARGUMENT, details };
  if (error instanceof NotFoundError) return { code: status.NOT_FOUND, details };
  if (error instanceof UserError) return { code: status.FAILED_PRECONDITION, details };
  return { code: status.INTERNAL, details };
}
