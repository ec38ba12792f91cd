import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { FakeCoordinator } from '../support/fake-coordinator.js';
import { committed, completed, toState, underWay } from '../support/told-events.js';
import { writeTinyRun } from '../support/tiny-run.js';
import { waitUntil } from '../support/wait-until.js';
import { v1 } from '../../proto/services.js';
import { startProspect, temporaryDirectory, type Started } from './prospect.js';

const patienceMs = 120_000;
const MIB = 2 ** 20;

/** A coordinator in this process, and commands as processes of their own that ask it. */
async function setUp(t: TestContext) {
  const fake = await FakeCoordinator.start(t);
  const start = (...args: string[]): Started => {
    const started = startProspect(args, { PROSPECT_COORDINATOR: fake.address });
    t.after(() => started.process.kill('SIGKILL'));
    return started;
  };
  return { fake, start };
}

function tinyRun(t: TestContext) {
  const directory = temporaryDirectory(t);
  const { file } = writeTinyRun(directory, { method: 'kto', keys: { max_steps: 3 } });
  return { file, rows: join(directory, 'rows.jsonl') };
}

/** What a process has written so far. */
function outputOf({ process: process_ }: Started): () => string {
  let text = '';
  process_.stdout!.on('data', (piece: string) => (text += piece));
  process_.stderr!.on('data', (piece: string) => (text += piece));
  return () => text;
}

test('submit --json prints one value on standard output, and ends as the run does', async (t) => {
  const { fake, start } = await setUp(t);
  const { file } = tinyRun(t);
  const { finished } = start('submit', file, '--json');
  await waitUntil(() => fake.submitted.length === 1, 'it is queued', patienceMs);
  const failureKind = v1.FailureKind.FAILURE_KIND_CONFIG;
  const end = toState(v1.RunState.RUN_STATE_FAILED, { reason: 'no label', failureKind });
  fake.tell('run-00000001', ...underWay, committed(1), end);
  const { code, stdout, stderr } = await finished;
  assert.equal(code, 2);
  assert.match(stderr, /\nerror: run-00000001 failed: no label\n$/);
  assert.match(stdout, /^[^\n]+\n$/);
  const { id, state } = JSON.parse(stdout) as { id: string; state: string };
  assert.deepEqual([id, state], ['run-00000001', 'failed']);
});

test('Ctrl-C leaves a run that goes on, and says how to come back', async (t) => {
  const { fake, start } = await setUp(t);
  const { file } = tinyRun(t);
  const submitting = start('submit', file, '--no-check');
  const seen = outputOf(submitting);
  await waitUntil(() => fake.submitted.length === 1, 'it is queued', patienceMs);
  fake.tell('run-00000001', ...underWay, committed(1));
  await waitUntil(() => seen().includes('step 1/3'), 'it is followed', patienceMs);
  submitting.process.kill('SIGINT');
  const left = await submitting.finished;
  const words =
    /\ndetached: run-00000001 goes on; prospect logs run-00000001 -f .*, prospect cancel run-00000001 [^\n]*\n$/;
  assert.deepEqual([left.code, left.stdout], [130, '']);
  assert.match(left.stderr, words);

  const following = start('logs', '-f');
  const story = outputOf(following);
  await waitUntil(() => story().includes('step 1/3'), 'it is followed again', patienceMs);
  following.process.kill('SIGINT');
  const { code, stderr } = await following.finished;
  assert.equal(code, 130);
  assert.match(`\n${stderr}`, words);

  const cancelling = start('cancel');
  await waitUntil(() => fake.watchers('run-00000001') === 1, 'it is waited for', patienceMs);
  cancelling.process.kill('SIGINT');
  const notWaited = await cancelling.finished;
  assert.equal(notWaited.code, 130);
  assert.match(
    notWaited.stderr,
    /left: run-00000001 is still being cancelled; see prospect status run-00000001\n$/,
  );
});

test('Ctrl-C in an upload queues nothing, and what was sent is not sent again', async (t) => {
  const { fake, start } = await setUp(t);
  const { file, rows } = tinyRun(t);
  appendFileSync(rows, `${JSON.stringify({ prompt: 'x', completion: 'y'.repeat(7 * MIB), label: true })}\n`);
  const isHalf = () => fake.uploads.heldBytes > 4 * MIB;
  // The next chunk is never answered.
  fake.before = (call) => (call === 'putChunk' && isHalf() ? new Promise(() => undefined) : undefined);
  const submitting = start('submit', file, '--no-check');
  await waitUntil(isHalf, 'half of it is there', patienceMs);
  submitting.process.kill('SIGINT');
  const { code, stderr } = await submitting.finished;
  assert.equal(code, 130);
  assert.match(stderr, /^interrupted: nothing was queued; what was sent is kept for the next time\n$/);
  assert.equal(fake.submitted.length, 0);

  fake.before = () => undefined;
  fake.calls.length = 0;
  const again = await start('submit', file, '--no-check', '--no-wait').finished;
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /^6\.\d\d MiB of 7\.\d\d MiB are there already\n/);
  assert.equal(fake.calls.filter((call) => call === 'putChunk').length, 1);
});

test('a reader that goes away, as of "| head", ends a command that follows', async (t) => {
  const { fake, start } = await setUp(t);
  fake.addRun({ id: 'run-1' });
  fake.tell('run-1', ...underWay);
  const commands = [start('logs', '-f', '--json'), start('metrics', '-f', '--json')];
  const told = setInterval(() => fake.tell('run-1', committed(1)), 20);
  t.after(() => clearInterval(told));
  for (const { process: child, finished } of commands) {
    await new Promise((resolve) => child.stdout!.once('data', resolve));
    child.stdout!.destroy();
    const { code, stderr } = await finished;
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  }
});

test('a coordinator that is gone when the run ends is waited for', async (t) => {
  const { fake, start } = await setUp(t);
  fake.addRun({ id: 'run-1' });
  fake.tell('run-1', ...underWay, committed(1));
  const following = start('logs', '-f');
  const seen = outputOf(following);
  await waitUntil(() => seen().includes('step 1/3'), 'it is followed', patienceMs);
  fake.stop();
  fake.tell('run-1', completed);
  await waitUntil(() => seen().includes('gone away'), 'its loss is told', patienceMs);
  await fake.listen();
  const { code, stdout, stderr } = await following.finished;
  assert.equal(code, 0, stderr);
  assert.match(stdout, /completed: 3 steps\n$/);
  assert.doesNotMatch(stdout, /gone away|is back/);
});
