import { setTimeout as delay } from 'node:timers/promises';

/** Resolves as soon as `condition` holds; fails with `what` where it does not within `timeoutMs`. */
export async function waitUntil(condition: () => boolean, what: string, timeoutMs = 20_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await delay(2);
  }
}
