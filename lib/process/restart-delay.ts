/** How long a process that failed waits before it is started again: not at all the first time, then longer and longer. */
export function restartDelayMs(
  failuresInARow: number,
  {
    restartDelayMs: firstMs,
    longestRestartDelayMs,
  }: { restartDelayMs: number; longestRestartDelayMs: number },
): number {
  return failuresInARow < 2 ? 0 : Math.min(longestRestartDelayMs, firstMs * 2 ** (failuresInARow - 2));
}
