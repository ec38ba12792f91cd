import type { ServerWritableStream } from '@grpc/grpc-js';
import { constants } from 'node:fs';
import { open, readdir, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { untilAborted } from '../../lib/abort.js';
import { setTimeout as delay } from 'node:timers/promises';
import type { v1 } from '../../proto/services.js';
import type { Journal } from '../journal/journal.js';
import { logFileOf } from '../runs/output-directory.js';
import { hasEnded } from '../runs/state.js';
import { NotFoundError, toStatus } from './status.js';

type LogStream = ServerWritableStream<v1.ReadLogRequest, v1.ReadLogResponse.$Properties>;

/** Bytes that are read and sent at once. */
const CHUNK_BYTES = 64 * 1024;

/** How often a file that others write is looked at. */
const LOOK_INTERVAL_MS = 250;

/** Streams what a process of a run has logged, at the client's pace; where asked for, until the run has ended. */
export function readLog(call: LogStream, journal: Journal): void {
  const gone = new AbortController();
  call.once('cancelled', () => gone.abort());
  streamLog(call, journal, gone.signal).then(
    () => call.end(),
    (error: unknown) => {
      if (!gone.signal.aborted) call.emit('error', toStatus(error));
    },
  );
}

async function streamLog(call: LogStream, journal: Journal, gone: AbortSignal): Promise<void> {
  const { runId, process: process_, follow } = call.request;
  let { offset } = call.request;
  const file = await openLog(journal, runId, process_);
  try {
    for (;;) {
      // Asked before the file is read: what a run wrote before it ended is still to be sent.
      const isOver = !follow || hasEnded(journal.findRun(runId)?.state ?? 'failed');
      const { bytesRead, buffer } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, offset);
      offset += bytesRead;
      if (bytesRead > 0) await write(call, { data: buffer.subarray(0, bytesRead) }, gone);
      else if (isOver) return;
      else await delay(LOOK_INTERVAL_MS, undefined, { signal: gone });
    }
  } finally {
    await file.close();
  }
}

/** @throws NotFoundError that says which logs there are */
async function openLog(journal: Journal, runId: string, process_: string): Promise<FileHandle> {
  const run = journal.findRun(runId);
  if (run === undefined) throw new NotFoundError(`no run ${runId}`);
  const names = (await readdir(join(run.outputDir, 'logs')).catch(() => []))
    .filter((name) => name.endsWith('.log'))
    .map((name) => name.slice(0, -'.log'.length));
  if (!names.includes(process_)) {
    const there = names.length === 0 ? 'it has none yet' : `there are those of ${names.sort().join(', ')}`;
    throw new NotFoundError(`run ${runId} has no log of ${process_ || 'a process without a name'}: ${there}`);
  }
  return open(logFileOf(run.outputDir, process_), constants.O_RDONLY | constants.O_NOFOLLOW);
}

async function write(
  call: LogStream,
  response: v1.ReadLogResponse.$Properties,
  gone: AbortSignal,
): Promise<void> {
  gone.throwIfAborted();
  if (call.write(response)) return;
  await untilAborted(new Promise<void>((resolve) => call.once('drain', resolve)), gone);
}
