import type { ServerWritableStream } from '@grpc/grpc-js';
import { constants } from 'node:fs';
import { open, readdir, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hasCode } from '../../lib/errors.js';
import { quote } from '../../lib/text.js';
import type { v1 } from '../../proto/services.js';
import type { Journal } from '../journal/journal.js';
import { logFileOf } from '../runs/output-directory.js';
import { hasEnded } from '../runs/state.js';
import { requireBytes } from './request.js';
import { requireRun } from './require-run.js';
import { NotFoundError } from './status.js';
import { streamTo } from './stream-to.js';

type LogStream = ServerWritableStream<v1.ReadLogRequest, v1.ReadLogResponse.$Properties>;

/** Bytes that are read and sent at once. */
const CHUNK_BYTES = 64 * 1024;

/** How often a file that others write is looked at. */
const LOOK_INTERVAL_MS = 250;

/**
 * Streams what a process of a run has logged, in this attempt and those before; where asked for, until the run has ended.
 * The coordinator's own log is the run's only where it lies with the others, as `prospect train` puts it.
 */
export function readLog(call: LogStream, journal: Journal): void {
  const { runId, process: name, follow } = call.request;
  streamTo(call, async (send, gone) => {
    let offset = requireBytes(call.request.offset, 'offset');
    const file = await openLog(journal, runId, name);
    try {
      for (;;) {
        // Asked before the file is read: what a run wrote before it ended is still to be sent.
        const isOver = !follow || hasEnded(requireRun(journal, runId).state);
        const { bytesRead, buffer } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, offset);
        offset += bytesRead;
        if (bytesRead > 0) await send({ data: buffer.subarray(0, bytesRead) });
        else if (isOver) return;
        else await delay(LOOK_INTERVAL_MS, undefined, { signal: gone });
      }
    } finally {
      await file.close();
    }
  });
}

/** @throws NotFoundError that says which logs there are */
async function openLog(journal: Journal, runId: string, name: string): Promise<FileHandle> {
  const { outputDir } = requireRun(journal, runId);
  const file = logFileOf(outputDir, name);
  const names = await logsIn(dirname(logFileOf(outputDir, '')));
  if (names.includes(name)) return open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  const there = names.length === 0 ? 'it has none yet' : `there are those of ${names.join(', ')}`;
  throw new NotFoundError(`run ${runId} has no log of ${quote(name)}: ${there}`);
}

/** Names of processes. */
async function logsIn(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    const names = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
    return names.flatMap((name) => /^(.+)\.log$/.exec(name)?.[1] ?? []).sort();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}
