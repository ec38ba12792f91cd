import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  claimOutputDirectory,
  LinesFile,
  removePartialModels,
  stageModelDirectory,
} from '../../../../coordinator/runs/output-directory.js';
import { ConfigError, RunError } from '../../../../lib/errors.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

test('of two runs that want one directory, one gets it', async (t) => {
  const dir = join(await temporaryDirectory(t), 'out');
  const outcomes = await Promise.allSettled([
    claimOutputDirectory(dir, 'first\n'),
    claimOutputDirectory(dir, 'second\n'),
  ]);
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  const winner = outcomes[0].status === 'fulfilled' ? 'first\n' : 'second\n';
  assert.equal(await readFile(join(dir, 'run.yaml'), 'utf8'), winner);
  assert.deepEqual(await readdir(dir), ['run.yaml']);
});

test('a directory that holds a run is refused, one with logs only is not', async (t) => {
  const dir = await temporaryDirectory(t);
  await mkdir(join(dir, 'logs'));
  await writeFile(join(dir, 'metrics.jsonl'), '');
  await assert.rejects(
    claimOutputDirectory(dir, ''),
    (error) => error instanceof ConfigError && error.message.includes('already holds a run (metrics.jsonl)'),
  );
  const fresh = await temporaryDirectory(t);
  await mkdir(join(fresh, 'logs'));
  await claimOutputDirectory(fresh, 'workers: 1\n');
});

test('a claim that is given back leaves what was there before', async (t) => {
  const dir = await temporaryDirectory(t);
  const fresh = await claimOutputDirectory(join(dir, 'new', 'out'), 'workers: 1\n');
  await fresh.undo();
  assert.deepEqual(await readdir(dir), []);
  await mkdir(join(dir, 'old', 'logs'), { recursive: true });
  const used = await claimOutputDirectory(join(dir, 'old'), 'workers: 1\n');
  await used.undo();
  assert.deepEqual(await readdir(join(dir, 'old')), ['logs']);
  const shared = await claimOutputDirectory(join(dir, 'new', 'first'), 'workers: 1\n');
  await claimOutputDirectory(join(dir, 'new', 'second'), 'workers: 1\n');
  await shared.undo();
  assert.deepEqual(await readdir(join(dir, 'new')), ['second']);
});

test('a directory that cannot be made is a ConfigError', async (t) => {
  const dir = await temporaryDirectory(t);
  await writeFile(join(dir, 'file'), '');
  await assert.rejects(claimOutputDirectory(join(dir, 'file', 'out'), ''), ConfigError);
});

test('metrics.jsonl is made anew from the journal, and gets a line per step from there on', async (t) => {
  const dir = await temporaryDirectory(t);
  // What a killed coordinator left: a line too much, and half of one.
  await writeFile(join(dir, 'metrics.jsonl'), '{"step":1}\n{"step":2}\n{"st');
  const file = await LinesFile.rebuild(join(dir, 'metrics.jsonl'), ['{"step":1}']);
  await file.append('{"step":2}');
  await file.append('{"step":3}');
  await file.close();
  assert.equal(await readFile(join(dir, 'metrics.jsonl'), 'utf8'), '{"step":1}\n{"step":2}\n{"step":3}\n');
  assert.deepEqual(await readdir(dir), ['metrics.jsonl']);
});

test('where metrics.jsonl cannot be written, nothing of it stays behind', async (t) => {
  const dir = await temporaryDirectory(t);
  await mkdir(join(dir, 'metrics.jsonl'));
  await assert.rejects(LinesFile.rebuild(join(dir, 'metrics.jsonl'), []), RunError);
  assert.deepEqual(await readdir(dir), ['metrics.jsonl']);
});

test('the last stage writes the run’s model', () => {
  assert.equal(
    stageModelDirectory('/out', { number: 1, count: 2, method: 'sft' }),
    '/out/stages/1-sft/model',
  );
  assert.equal(stageModelDirectory('/out', { number: 2, count: 2, method: 'kto' }), '/out/model');
});

test('of a model, what a killed worker had written of it is removed, and nothing else', async (t) => {
  const dir = await temporaryDirectory(t);
  const model = join(dir, 'model');
  await mkdir(join(dir, '.model.4711.tmp', 'deep'), { recursive: true });
  await mkdir(join(dir, '.model.4711.old'));
  const others = ['.model.tmp', '.other.4711.tmp', 'logs', 'model', 'model.4711.tmp'];
  for (const name of others) await mkdir(join(dir, name));
  await removePartialModels([join(dir, 'stages', '1-sft', 'model'), model]);
  assert.deepEqual((await readdir(dir)).sort(), others.sort());
});
