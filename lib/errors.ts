/**
 * Errors that a user can do something about. The message is one line: what, where (file:line, key, peer), what to do.
 * Anything else that is thrown is a defect of Prospect and keeps its stack.
 */
export class UserError extends Error {
  override readonly name: string = 'UserError';
}

/** A bad run file, model directory or data: the user must change something. Exit code 2. */
export class ConfigError extends UserError {
  override readonly name = 'ConfigError';
}

/** A run that was sound went wrong: a worker died, a peer sent a bad frame, the disk is full. Exit code 1. */
export class RunError extends UserError {
  override readonly name = 'RunError';
}

/** Process exit codes, as documented in README.md. */
export const ExitCode = { done: 0, failed: 1, badInput: 2, interrupted: 130 } as const;

/** Whether the operating system refused a call (a full disk, a missing file), as Node reports it. */
export function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error;
}

/** Whether Node reports an error by this code, such as ENOENT. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
