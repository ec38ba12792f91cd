import { statSync } from 'node:fs';
import type { Logger } from '../../lib/log.js';
import { messageOf } from '../../lib/errors.js';

/** How often files are looked at which others may renew: a look costs microseconds. */
const LOOK_INTERVAL_MS = 5_000;

export interface FileWatch {
  close(): void;
}

/**
 * Calls `reload` whenever one of the files has changed. Where that fails, because they are half-written or wrong, what was
 * read before stays good; it is said once, and tried again at every look.
 *
 * A look goes through symbolic links: Kubernetes exchanges a mounted Secret by one.
 */
export function watchFiles(
  files: readonly string[],
  reload: () => void,
  { log, intervalMs = LOOK_INTERVAL_MS }: { readonly log: Logger; readonly intervalMs?: number | undefined },
): FileWatch {
  let loaded = stampOf(files);
  let complaint = '';
  const look = () => {
    const stamp = stampOf(files);
    if (stamp === loaded) return;
    try {
      reload();
      loaded = stamp;
      complaint = '';
      log.info({ files }, 'files have changed, and were read again');
    } catch (error) {
      const message = messageOf(error);
      if (message !== complaint) log.error({ files }, `what was read before stays good: ${message}`);
      complaint = message;
    }
  };
  const timer = setInterval(look, intervalMs);
  timer.unref();
  return { close: () => clearInterval(timer) };
}

/** Changes when a file does. */
function stampOf(files: readonly string[]): string {
  return files.map(stampOfFile).join(' ');
}

function stampOfFile(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false, bigint: true });
  return stat === undefined ? 'missing' : `${stat.ino}:${stat.size}:${stat.mtimeNs}`;
}
