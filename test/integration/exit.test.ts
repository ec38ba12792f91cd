import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fixturePath, readFixture } from '../parity/fixtures.js';
import { processesTagged, until } from './processes.js';
import { prospect, startProspect, temporaryDirectory, type Started } from './prospect.js';

interface Tokens {
  readonly labels: boolean[];
  readonly prompt_ids: number[][];
  readonly completion_ids: number[][];
}

/** A run on the tiny Llama that would take hours. */
function longRun(directory: string, extra: readonly string[] = []): string {
  const golden = readFixture('golden/train_llama_full.json') as Tokens;
  const rows = golden.labels.map((label, i) =>
    JSON.stringify({ prompt_ids: golden.prompt_ids[i], completion_ids: golden.completion_ids[i], label }),
  );
  writeFileSync(join(directory, 'rows.jsonl'), `${rows.join('\n')}\n`);
  const file = join(directory, 'run.yaml');
  const lines = [
    `model: ${fixturePath('models/llama')}`,
    'method: kto',
    'learning_rate: 1e-5',
    'global_batch_size: 16',
    'micro_batch_size: 4',
    'max_steps: 1000000',
    'workers: 2',
    'threads_per_worker: 1',
    'data: { train: rows.jsonl }',
    ...extra,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

function committedSteps(out: string): number {
  const file = join(out, 'metrics.jsonl');
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0;
}

interface Running extends Started {
  readonly tag: string;
  readonly out: string;
}

/** Starts the long run and waits until it trains. */
async function startTraining(directory: string): Promise<Running> {
  const tag = `PROSPECT_TEST=${randomUUID()}`;
  const out = join(directory, 'out');
  const [name, value] = tag.split('=') as [string, string];
  const started = startProspect(['train', longRun(directory), '--out', out], { [name]: value });
  await until('two steps are committed', () => committedSteps(out) >= 2);
  return { ...started, tag, out };
}

describe('how a run ends', () => {
  test('a typing mistake in the run file: exit 2, one line with file, line and key, and nothing is written', async (t) => {
    const directory = temporaryDirectory(t);
    const file = longRun(directory, ['lerning_rate: 1e-5']);
    const out = join(directory, 'out');
    const { code, stderr } = await prospect(['train', file, '--out', out]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /run\.yaml:10: lerning_rate: .*learning_rate/);
    assert.equal(stderr.trim().split('\n').length, 1, stderr);
    assert.equal(existsSync(out), false);
  });

  test('a bad data row: exit 2, with file and line', async (t) => {
    const directory = temporaryDirectory(t);
    const file = longRun(directory);
    const rows = join(directory, 'rows.jsonl');
    writeFileSync(rows, readFileSync(rows, 'utf8').replace('"label":false', '"label":"no"'));
    const { code, stderr } = await prospect(['train', file, '--out', join(directory, 'out')]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /rows\.jsonl:4: .*label/);
  });

  test('a model directory that is not there: exit 2', async (t) => {
    const directory = temporaryDirectory(t);
    const args = ['train', longRun(directory), '--set', 'model=/nowhere', '--out', join(directory, 'out')];
    const { code, stderr } = await prospect(args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /\/nowhere/);
  });

  test('Ctrl-C: exit 130, and no process stays', async (t) => {
    const { process: cli, finished, tag } = await startTraining(temporaryDirectory(t));
    assert.ok(processesTagged(tag).length >= 5, 'command, coordinator, replica and two workers');
    cli.kill('SIGINT');
    const { code, stderr } = await finished;
    assert.equal(code, 130, stderr);
    assert.match(stderr, /--resume/);
    await until('all processes are gone', () => processesTagged(tag).length === 0);
  });

  test('kill -9 of the command: its processes notice and end', async (t) => {
    const { process: cli, finished, tag } = await startTraining(temporaryDirectory(t));
    cli.kill('SIGKILL');
    await finished;
    await until('all processes are gone', () => processesTagged(tag).length === 0);
  });

  test('a run that was interrupted goes on by --resume, also with other workers, to the same weights', async (t) => {
    const directory = temporaryDirectory(t);
    const file = longRun(directory);
    const steps = ['--set', 'max_steps=10'];
    const undisturbed = join(directory, 'undisturbed');
    assert.equal((await prospect(['train', file, ...steps, '--out', undisturbed])).code, 0);
    const out = join(directory, 'out');
    const started = startProspect(['train', file, ...steps, '--out', out]);
    await until('two steps are committed', () => committedSteps(out) >= 2);
    started.process.kill('SIGINT');
    assert.equal((await started.finished).code, 130);
    const saved = readdirSync(join(out, 'checkpoints'));
    assert.equal(saved.length, 1, saved.join());

    const other = ['train', file, ...steps, '--set', 'learning_rate=1e-4', '--out', out, '--resume'];
    const refused = await prospect(other);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /does not say what .* was begun with/);

    const resumed = await prospect(['train', file, ...steps, '--workers', '1', '--out', out, '--resume']);
    assert.equal(resumed.code, 0, resumed.stderr);
    const weights = (of: string) => readFileSync(join(of, 'model', 'model.safetensors'));
    assert.ok(weights(out).equals(weights(undisturbed)));
    assert.equal(committedSteps(out), 10);
    const again = await prospect(['train', file, ...steps, '--out', out, '--resume']);
    assert.equal(again.code, 2);
    assert.match(again.stderr, /a run that is complete/);
  });
});
