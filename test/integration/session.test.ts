import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ServiceProcess } from '../support/service-process.js';
import { writeTinyRun } from '../support/tiny-run.js';
import { until } from './processes.js';
import { prospect, startProspect, temporaryDirectory, type Started } from './prospect.js';

/** What a run's files hold that depends on nothing but its run file and data. */
function resultOf(outputDir: string) {
  const rows = readFileSync(join(outputDir, 'metrics.jsonl'), 'utf8').trim().split('\n');
  const metrics = rows.map((row) => {
    const columns = JSON.parse(row) as Record<string, unknown>;
    delete columns['step_time_s'];
    return columns;
  });
  return { weights: readFileSync(join(outputDir, 'model', 'model.safetensors')), metrics };
}

interface StatusJson {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly reason: string;
  readonly waitsFor: string;
  readonly outputDir: string;
  readonly committedSteps: number;
  readonly totalSteps: number;
}

test('a session: submit, detach, come back, cancel, read, resume; the weights are those of an uninterrupted run', async (t) => {
  const directory = temporaryDirectory(t);
  const steps = 250;
  const long = writeTinyRun(join(directory, 'long'), {
    method: 'kto',
    keys: { max_steps: steps, workers: 2, save_steps: 0 },
  });
  const short = writeTinyRun(join(directory, 'short'), { method: 'sft', keys: { max_steps: 5 } });
  const service = new ServiceProcess(directory);
  t.after(() => service.kill());
  await service.start();
  const here = ['--coordinator', service.address];
  const start = (...args: string[]) => startProspect([...args, ...here]);
  const run = (...args: string[]) => start(...args).finished;
  const ask = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(...args, '--json');
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as unknown;
  };
  const status = async (id?: string) =>
    (await ask('status', ...(id === undefined ? [] : [id]))) as StatusJson;
  const textOf = ({ process: process_ }: Started) => {
    let text = '';
    process_.stderr!.on('data', (piece: string) => (text += piece));
    process_.stdout!.on('data', (piece: string) => (text += piece));
    return () => text;
  };

  // Submitted and watched; Ctrl-C detaches.
  const submitting = start('submit', long.file, '--name', 'long');
  const seen = textOf(submitting);
  await until('the run is under way', () => /step \d+\/250/.test(seen()));
  submitting.process.kill('SIGINT');
  const detached = await submitting.finished;
  assert.equal(detached.code, 130);
  const first = await status();
  assert.equal(first.name, 'long');
  assert.match(detached.stderr, new RegExp(`${first.id}.*goes on`));
  assert.match(detached.stderr, /prospect logs .*-f/);
  assert.match(detached.stderr, /prospect cancel /);

  // A second one waits behind it.
  const { code, stdout } = await run('submit', short.file, '--name', 'short', '--no-wait', '--json');
  assert.equal(code, 0);
  const second = (JSON.parse(stdout) as StatusJson).id;
  const waiting = await status(second.slice('run-'.length, 'run-'.length + 6));
  assert.equal(waiting.state, 'queued');
  assert.match(waiting.waitsFor, new RegExp(first.id));
  const queue = (await ask('queue')) as StatusJson[];
  assert.deepEqual(new Set(queue.map(({ id }) => id)), new Set([first.id, second]));

  // Come back to the first, and cancel it from elsewhere.
  const following = start('logs', first.id, '-f');
  const story = textOf(following);
  await until('the run is followed again', () => /step \d+\/250/.test(story()));
  const cancelled = await run('cancel', first.id, '--save');
  assert.equal(cancelled.code, 0, cancelled.stderr);
  assert.match(`${cancelled.stdout}${cancelled.stderr}`, /prospect resume/);
  assert.equal((await following.finished).code, 130);
  const stopped = await status(first.id);
  assert.equal(stopped.state, 'cancelled');
  assert.ok(stopped.committedSteps > 0 && stopped.committedSteps < steps, `${stopped.committedSteps}`);

  // The second one has its turn.
  const other = await run('logs', second, '-f');
  assert.equal(other.code, 0, other.stderr);
  assert.equal((await status(second)).state, 'completed');

  // What the first one did can be read, then it goes on, on another number of workers.
  const history = await run('logs', first.id);
  assert.equal(history.code, 0, history.stderr);
  assert.match(history.stdout, /checkpoint of step/);
  assert.match(history.stdout, /cancelled/);
  const worker = await run('logs', first.id, '--of', 'worker-0');
  assert.equal(worker.code, 0, worker.stderr);
  assert.notEqual(worker.stdout, '');
  const resized = await run('resume', first.id);
  assert.equal(resized.code, 0, resized.stderr);
  const rest = await run('logs', 'long', '-f');
  assert.equal(rest.code, 0, rest.stderr);
  const done = await status('long');
  assert.equal(done.state, 'completed');
  const metrics = (await run('metrics', first.id, '--json')).stdout.trim().split('\n');
  assert.deepEqual(
    metrics.map((line) => (JSON.parse(line) as { step: number }).step),
    Array.from({ length: steps }, (_, i) => i + 1),
  );

  // The same run without any of this.
  const out = join(directory, 'uninterrupted');
  const train = await prospect(['train', long.file, '--out', out]);
  assert.equal(train.code, 0, train.stderr);
  assert.deepEqual(resultOf(done.outputDir), resultOf(out));

  assert.equal(await service.terminate(), 0);
  await until('no process is left', () => service.processes().length === 0);
});
