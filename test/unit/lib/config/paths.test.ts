import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseRunFile } from '../../../../lib/config/load.js';
import { mapRunPaths, runPaths } from '../../../../lib/config/paths.js';
import { renderRunFile } from '../../../../lib/config/render.js';

const parse = (text: string) => parseRunFile(text, 'run.yaml', { baseDir: '/runs' });

const oneStage = `
method: kto
model: base
adapter: lora
reference: frozen
data: { train: rows.jsonl, eval: held-out.jsonl }
`;
const twoStages = `
data: { train: rows.jsonl }
stages:
  - { method: sft, model: base }
  - { method: kto, reference: base, adapter: lora }
`;

describe('the paths of a run', () => {
  test('are all named, by the keys that a user would write', () => {
    assert.deepEqual(runPaths(parse(oneStage)), [
      { key: 'model', kind: 'directory', path: '/runs/base' },
      { key: 'adapter', kind: 'directory', path: '/runs/lora' },
      { key: 'reference', kind: 'directory', path: '/runs/frozen' },
      { key: 'data.train', kind: 'file', path: '/runs/rows.jsonl' },
      { key: 'data.eval', kind: 'file', path: '/runs/held-out.jsonl' },
    ]);
    assert.deepEqual(
      runPaths(parse(twoStages)).map(({ key }) => key),
      ['stages.0.model', 'stages.0.data.train', 'stages.1.adapter', 'stages.1.data.train'],
    );
  });

  test('can be replaced, and nothing else changes', () => {
    for (const text of [oneStage, twoStages]) {
      const run = parse(text);
      const moved = mapRunPaths(run, ({ path }) => path.replace('/runs', '/elsewhere'));
      assert.equal(renderRunFile(moved), renderRunFile(run).replaceAll('/runs', '/elsewhere'));
      assert.deepEqual(
        mapRunPaths(moved, ({ path }) => path.replace('/elsewhere', '/runs')),
        run,
      );
    }
  });

  test('may be sources, which are the same from any folder; of a repository, data must name a file', () => {
    const text = `
method: kto
model: hf:me/tiny@v1
adapter: s3://bucket/adapters/first/
reference: ./hf:me/tiny
data: { train: 'hf:datasets/me/rows/train.jsonl', eval: 's3://bucket/rows.jsonl' }
`;
    const run = parse(text);
    assert.deepEqual(
      runPaths(run).map(({ path }) => path),
      [
        'hf:me/tiny@v1',
        's3://bucket/adapters/first/',
        '/runs/hf:me/tiny',
        'hf:datasets/me/rows/train.jsonl',
        's3://bucket/rows.jsonl',
      ],
    );
    assert.deepEqual(parseRunFile(renderRunFile(run), 'run.yaml', { baseDir: '/elsewhere' }), run);
    assert.throws(
      () => parse(text.replace('/train.jsonl', '')),
      /^ConfigError: run\.yaml:6: data\.train: must name a file of the repository: hf:OWNER\/NAME\/PATH/,
    );
  });
});
