import { ConfigError, messageOf } from '../errors.js';
import type { FailedMessage, ReadyMessage } from './child.js';

/** Tells the parent that this process can be used. Without a parent of ours (in Kubernetes) there is nobody to tell. */
export function announceReady(message: Omit<ReadyMessage, 'kind'> = {}): void {
  process.send?.({ kind: 'ready', ...message } satisfies ReadyMessage);
}

/** Tells the parent why this process cannot start; resolves once that is said, so that the process may exit. */
export function announceFailure(error: unknown): Promise<void> {
  const message: FailedMessage = {
    kind: 'failed',
    reason: messageOf(error),
    badInput: error instanceof ConfigError,
  };
  return new Promise((resolve) => {
    // A parent that is gone need not know.
    if (process.connected) process.send?.(message, () => resolve());
    else resolve();
  });
}

/**
 * Ends this process when the parent that spawned it is gone, even by SIGKILL: the IPC channel then closes. `onGone`
 * has `graceMs` to end things in order; after that the process is killed, so that nothing of it stays behind.
 *
 * Without an IPC channel (in Kubernetes, or started by hand) there is no lifeline.
 */
export function exitWithParent(
  onGone: () => Promise<void> | void,
  { graceMs = 10_000 }: { readonly graceMs?: number } = {},
): void {
  const gone = () => {
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), graceMs);
    void Promise.resolve()
      .then(onGone)
      .catch((error: unknown) => console.error(error))
      .finally(() => process.exit(1));
  };
  // Undefined where there never was a channel (Node's types leave that out), false where it closed before this call.
  const { connected } = process as { connected: boolean | undefined };
  if (connected === undefined) return;
  if (!connected) {
    gone();
    return;
  }
  process.once('disconnect', gone);
  // The channel alone must not keep a process alive that has nothing left to do.
  process.channel?.unref();
}
