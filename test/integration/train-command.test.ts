import assert from 'node:assert/strict';
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fixturePath, readFixture } from '../parity/fixtures.js';
import { privateCache } from './prospect.js';

const cli = fileURLToPath(new URL('../../deploy/cli/main.js', import.meta.url));

/** Generous: a busy machine may take long to start and stop five processes. */
const timeoutMs = 60_000;

interface Golden {
  readonly prompt_ids: readonly (readonly number[])[];
  readonly completion_ids: readonly (readonly number[])[];
  readonly labels: readonly boolean[];
}

describe('prospect train', { timeout: 5 * timeoutMs }, () => {
  let directory = '';
  let runFile = '';
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'prospect-train-'));
    const golden = readFixture('golden/train_llama_full.json') as Golden;
    const rows = golden.labels.map((label, i) => ({
      prompt_ids: golden.prompt_ids[i]!,
      completion_ids: golden.completion_ids[i]!,
      label,
    }));
    await writeFile(join(directory, 'rows.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    runFile = join(directory, 'run.yaml');
    const keys = [
      'method: kto',
      `model: ${JSON.stringify(fixturePath('models/llama'))}`,
      'data: { train: rows.jsonl, eval: rows.jsonl }',
      'max_length: 128',
      'learning_rate: 1.0e-3',
      'threads_per_worker: 1',
      'workers: 2',
      'max_steps: 2',
    ];
    await writeFile(runFile, `${keys.join('\n')}\n`);
  });
  after(() => rm(directory, { recursive: true }));

  function start(...args: string[]): ChildProcessByStdio<null, Readable, Readable> {
    return spawn(process.execPath, [cli, 'train', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...privateCache() },
    });
  }

  async function finish(child: ChildProcessByStdio<null, Readable, Readable>) {
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
    return { code, stdout, stderr };
  }

  test('a run is exit code 0, and leaves its results and no process', async () => {
    const out = join(directory, 'done');
    const { code, stdout, stderr } = await finish(start(runFile, '--out', out));
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^live page at http:\/\/127\.0\.0\.1:\d+\/$/m);
    assert.match(stderr, /step 1\/2 .*loss .*kl .*margin .*tokens\/s .*ETA/);
    assert.match(stdout, /thumbs up: above z0/);
    assert.ok(stdout.endsWith(`trained model: ${join(out, 'model')}\n`));
    const names = await readdir(out);
    for (const name of ['run.yaml', 'metrics.jsonl', 'model', 'eval.json'])
      assert.ok(names.includes(name), name);
    assert.equal((await readFile(join(out, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n').length, 2);

    const again = await finish(start(runFile, '--out', out));
    assert.equal(again.code, 2);
    assert.match(again.stderr, /^error: .*already holds a run[^\n]*\n$/);
  });

  test('a bad key is exit code 2, with file, line and key, before anything starts', async () => {
    const file = join(directory, 'bad.yaml');
    await writeFile(file, `${await readFile(runFile, 'utf8')}betta: 0.1\n`);
    const out = join(directory, 'bad-key');
    const { code, stderr } = await finish(start(file, '--out', out));
    assert.equal(code, 2);
    assert.match(stderr, /^error: .*bad\.yaml:9: betta/);
    assert.ok(!existsSync(out));
  });

  test('a bad row is exit code 2, with file and line, and nothing is left of the run', async () => {
    await writeFile(join(directory, 'bad.jsonl'), '{"prompt": "a", "completion": "b", "label": "yes"}\n');
    const out = join(directory, 'bad-row');
    const { code, stderr } = await finish(start(runFile, '--set', 'data.train=bad.jsonl', '--out', out));
    assert.equal(code, 2);
    assert.match(stderr, /error: .*bad\.jsonl:1: label is not true or false/);
    assert.doesNotMatch(stderr, /live page/);
    assert.ok(!existsSync(out));

    await mkdir(out);
    await writeFile(join(out, 'notes.txt'), 'mine');
    const again = await finish(start(runFile, '--set', 'data.train=bad.jsonl', '--out', out));
    assert.equal(again.code, 2);
    assert.deepEqual(await readdir(out), ['notes.txt'], 'what was there before stays, and only that');
  });

  test('held-out rows that cannot be judged are exit code 2 before anything is trained', async () => {
    const row = { prompt_ids: [3, 4], completion_ids: [5], label: true };
    await writeFile(join(directory, 'one-prompt.jsonl'), `${JSON.stringify(row)}\n`.repeat(2));
    for (const [file, reason] of [
      ['nowhere.jsonl', /cannot read .*nowhere\.jsonl/],
      ['one-prompt.jsonl', /data\.eval has no two rows with different prompts/],
    ] as const) {
      const out = join(directory, 'bad-eval');
      const { code, stderr } = await finish(start(runFile, '--set', `data.eval=${file}`, '--out', out));
      assert.equal(code, 2);
      assert.match(stderr, reason);
      assert.ok(!existsSync(out));
    }
  });
});
