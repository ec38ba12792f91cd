import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, readdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { status, type Client } from '@grpc/grpc-js';
import { callUnary, openServerStream } from '../../proto/calls.js';
import { runService, v1 } from '../../proto/services.js';
import { waitUntil } from '../support/wait-until.js';
import {
  eightRows,
  runFileOf,
  startTestCoordinator,
  submit,
  watch,
  writeRows,
} from './coordinator-doubles/test-coordinator.js';

/** A run with a log of a worker, which goes on until it is cancelled. */
async function startRun(t: TestContext, log: string | Buffer = 'first line\n') {
  const c = await startTestCoordinator(t, { 'worker-0': { onStep: () => undefined } });
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  const outputDir = join(c.dir, 'out');
  const logs = join(outputDir, 'logs');
  mkdirSync(logs, { recursive: true });
  writeFileSync(join(logs, 'worker-0.log'), log);
  const runId = await submit(c.client, runFileOf(train), outputDir);
  const end = async () => {
    await callUnary(c.client, runService.cancelRun, { runId });
    await watch(c.client, runId);
  };
  return { client: c.client, runId, logs, log: join(logs, 'worker-0.log'), end };
}

const open = (client: Client, request: v1.ReadLogRequest.$Properties) =>
  openServerStream(client, runService.readLog, request);

async function read(client: Client, request: v1.ReadLogRequest.$Properties): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const { data } of open(client, request) as AsyncIterable<v1.ReadLogResponse>) parts.push(data);
  return Buffer.concat(parts);
}

const readText = async (client: Client, request: v1.ReadLogRequest.$Properties) =>
  (await read(client, request)).toString();

/** How often this process, in which the coordinator runs, has a file open. */
const timesOpen = (file: string) =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === file;
    } catch {
      return false; // The listing's own.
    }
  }).length;

test('a log is followed until the run has ended, with all that was written before', async (t) => {
  const { client, runId, log, end } = await startRun(t);
  const request = { runId, process: 'worker-0', follow: true };
  let heard = '';
  const stream = open(client, request).on(
    'data',
    ({ data }: v1.ReadLogResponse) => (heard += String(Buffer.from(data))),
  );
  const ended = once(stream, 'end');
  await waitUntil(() => heard === 'first line\n', 'what was there already');
  appendFileSync(log, 'half a');
  await waitUntil(() => heard === 'first line\nhalf a', 'what came then');
  const late = readText(client, { ...request, offset: 6 });
  appendFileSync(log, ' line\n');
  await end();
  await ended;
  assert.equal(heard, 'first line\nhalf a line\n');
  assert.equal(await late, 'line\nhalf a line\n');
  assert.equal(timesOpen(log), 0);
});

test('the log of a run stays readable when it has ended, from any offset', async (t) => {
  const { client, runId, log, end } = await startRun(t);
  await end();
  for (const follow of [false, true]) {
    const request = { runId, process: 'worker-0', follow };
    assert.equal(await readText(client, request), 'first line\n');
    assert.equal(await readText(client, { ...request, offset: 6 }), 'line\n');
    assert.equal(await readText(client, { ...request, offset: 11 }), '');
    assert.equal(await readText(client, { ...request, offset: 1e12 }), '');
  }
  assert.equal(timesOpen(log), 0);
});

test('without following, a run that goes on has the log that it has now', async (t) => {
  const { client, runId, end } = await startRun(t);
  assert.equal(await readText(client, { runId, process: 'worker-0' }), 'first line\n');
  assert.equal(await readText(client, { runId, process: 'worker-0', offset: 500 }), '');
  await end();
});

test('an offset beyond the end of a followed log is waited for', async (t) => {
  const { client, runId, log, end } = await startRun(t, '');
  const heard = readText(client, { runId, process: 'worker-0', offset: 3, follow: true });
  appendFileSync(log, 'abc');
  appendFileSync(log, 'def');
  await end();
  assert.equal(await heard, 'def');
});

test('who asks for another process hears which there are', async (t) => {
  const { client, runId, logs, end } = await startRun(t);
  writeFileSync(join(logs, 'reference-1.log'), '');
  writeFileSync(join(logs, 'notes.txt'), '');
  mkdirSync(join(logs, 'directory.log'));
  symlinkSync('/etc/passwd', join(logs, 'passwd.log'));
  for (const process_ of [
    'worker-7',
    '',
    'coordinator',
    'passwd',
    'directory',
    '../../state/journal',
    'worker-0.log',
  ]) {
    await assert.rejects(read(client, { runId, process: process_ }), {
      code: status.NOT_FOUND,
      details: `run ${runId} has no log of "${process_}": there are those of reference-1, worker-0`,
    });
  }
  // Where `prospect train` has put it beside the others, the coordinator's log is the run's.
  writeFileSync(join(logs, 'coordinator.log'), 'its own\n');
  assert.equal(await readText(client, { runId, process: 'coordinator' }), 'its own\n');
  await end();
});

test('a run without logs, an unknown run and an offset that is none are refused', async (t) => {
  const c = await startTestCoordinator(t);
  const train = await writeRows(c.dir, 'train.jsonl', eightRows);
  const runId = await submit(c.client, runFileOf(train), join(c.dir, 'out'));
  await watch(c.client, runId);
  await assert.rejects(read(c.client, { runId, process: 'worker-0', follow: true }), {
    code: status.NOT_FOUND,
    details: /it has none yet/,
  });
  await assert.rejects(read(c.client, { runId: 'run-none', process: 'worker-0' }), {
    code: status.NOT_FOUND,
  });
  for (const offset of [-1, 0.5, NaN, Infinity]) {
    const request = { runId, process: 'worker-0', offset };
    await assert.rejects(read(c.client, request), { code: status.INVALID_ARGUMENT, details: /offset/ });
  }
});

test('a client that does not read holds up nothing and misses nothing; one that goes away leaves nothing open', async (t) => {
  const long = Buffer.alloc(32 * 2 ** 20, 'more than any buffer on the way takes\n');
  const { client, runId, log, end } = await startRun(t, long);
  const request = { runId, process: 'worker-0', follow: true };
  const parts: Uint8Array[] = [];
  const slow = open(client, request).on('data', ({ data }: v1.ReadLogResponse) => parts.push(data));
  await once(slow, 'data');
  slow.pause();
  const gone = open(client, request).on('error', () => undefined);
  await once(gone, 'data');
  assert.equal(timesOpen(log), 2);
  gone.cancel();
  await waitUntil(() => timesOpen(log) === 1, 'only the slow client is left');
  await end();
  assert.ok((await read(client, request)).equals(long));
  assert.equal(timesOpen(log), 1, 'it has not read it all');
  slow.resume();
  await once(slow, 'end');
  assert.ok(Buffer.concat(parts).equals(long));
  await waitUntil(() => timesOpen(log) === 0, 'nothing is left open');
});
