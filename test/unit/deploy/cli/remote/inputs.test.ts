import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { hashFile, listInputs, type Input, type LocalFile } from '../../../../../deploy/cli/remote/inputs.js';
import { parseRunFile } from '../../../../../lib/config/load.js';
import { ConfigError } from '../../../../../lib/errors.js';
import { temporaryDirectory } from '../../../coordinator/data/tiny-model.js';

/** A directory with a model and rows, and the inputs of a run file there. */
function setUp(t: TestContext) {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, 'model'));
  for (const name of ['config.json', 'model.safetensors', '.hidden'])
    writeFileSync(join(directory, 'model', name), name);
  writeFileSync(join(directory, 'rows.jsonl'), '{}\n');
  const inputs = (yaml = 'method: kto\nmodel: model\ndata: {train: rows.jsonl}\n', roots: string[] = []) =>
    listInputs(parseRunFile(yaml, 'run.yaml', { baseDir: directory }), roots);
  return { directory, inputs };
}

/** Names of files by the path of the input; of another one, its kind. */
function summary(inputs: readonly Input[], directory: string) {
  return Object.fromEntries(
    inputs.map((input) => [
      input.path.replace(`${directory}/`, ''),
      input.kind === 'local' ? input.files.map(({ name }) => name) : input.kind,
    ]),
  );
}

describe('the inputs of a run', () => {
  test('are data files, and the visible files directly in the directories of models, each path once', async (t) => {
    const { directory, inputs } = setUp(t);
    mkdirSync(join(directory, 'model', 'onnx'));
    mkdirSync(join(directory, 'adapter'));
    writeFileSync(join(directory, 'adapter', 'adapter_config.json'), '{}');
    const yaml = `model: model
adapter: adapter
reference: model
data: {train: rows.jsonl, eval: rows.jsonl}
stages: [{method: sft}, {method: kto, reference: adapter}]
`;
    assert.deepEqual(summary(await inputs(yaml), directory), {
      model: ['config.json', 'model.safetensors'],
      adapter: ['adapter_config.json'],
      'rows.jsonl': [''],
    });
  });

  test('are left to the coordinator where they are sources', async (t) => {
    const { directory, inputs } = setUp(t);
    const found = await inputs('method: kto\nmodel: hf:me/tiny\ndata: {train: rows.jsonl}\n');
    assert.deepEqual(summary(found, directory), { 'hf:me/tiny': 'source', 'rows.jsonl': [''] });
  });

  test('are followed through links, as in the cache of Hugging Face', async (t) => {
    const { directory, inputs } = setUp(t);
    mkdirSync(join(directory, 'blobs'));
    writeFileSync(join(directory, 'blobs', 'abc'), 'weights');
    symlinkSync('../blobs/abc', join(directory, 'model', 'linked.safetensors'));
    const found = await inputs();
    assert.deepEqual(summary(found, directory)['model'], [
      'config.json',
      'linked.safetensors',
      'model.safetensors',
    ]);
    const [input] = found;
    assert.ok(input?.kind === 'local');
    assert.equal(input.files[1]!.size, 'weights'.length);
  });

  test('are used in place under a shared root, but where a link leads out of it', async (t) => {
    const { directory, inputs } = setUp(t);
    const shared = join(directory, 'shared');
    mkdirSync(join(shared, 'model'), { recursive: true });
    writeFileSync(join(shared, 'rows.jsonl'), '{}\n');
    symlinkSync(join(directory, 'rows.jsonl'), join(shared, 'held-out.jsonl'));
    writeFileSync(join(shared, 'model', 'config.json'), '{}');
    const yaml = `method: kto
model: shared/model
data: {train: shared/rows.jsonl, eval: shared/held-out.jsonl}
`;
    assert.deepEqual(summary(await inputs(yaml, [shared]), directory), {
      'shared/model': 'shared',
      'shared/rows.jsonl': 'shared',
      'shared/held-out.jsonl': [''],
    });
    // The link is one of the directory now.
    symlinkSync(join(directory, 'rows.jsonl'), join(shared, 'model', 'extra.json'));
    assert.deepEqual(summary(await inputs(yaml, [shared]), directory)['shared/model'], [
      'config.json',
      'extra.json',
    ]);
  });

  test('that a shared root alone has are left to the coordinator', async (t) => {
    const { inputs } = setUp(t);
    const elsewhere = '/no-such-root-of-a-test';
    const yaml = `method: kto\nmodel: ${elsewhere}/model\ndata: {train: ${elsewhere}/rows.jsonl}\n`;
    const found = await inputs(yaml, [elsewhere]);
    assert.deepEqual(
      found.map(({ kind }) => kind),
      ['shared', 'shared'],
    );
  });
});

describe('an input cannot be sent, and the error names key and path, where', () => {
  const cases: readonly [string, (directory: string) => void, string, RegExp][] = [
    [
      'it is not there',
      () => undefined,
      'nowhere.jsonl',
      /^data\.train: .*nowhere\.jsonl cannot be read \(ENOENT/,
    ],
    [
      'a directory stands for a file',
      (directory) => mkdirSync(join(directory, 'rows')),
      'rows',
      /^data\.train: .*rows is not a regular file/,
    ],
    [
      'it is a pipe',
      (directory) => execFileSync('mkfifo', [join(directory, 'pipe')]),
      'pipe',
      /^data\.train: .*pipe is not a regular file/,
    ],
    [
      'it is a link to itself',
      (directory) => symlinkSync('loop', join(directory, 'loop')),
      'loop',
      /^data\.train: .*loop cannot be read \(ELOOP/,
    ],
  ];
  for (const [what, prepare, train, expected] of cases) {
    test(what, async (t) => {
      const { directory, inputs } = setUp(t);
      prepare(directory);
      const failing = inputs(`method: kto\nmodel: model\ndata: {train: ${train}}\n`);
      await assert.rejects(
        failing,
        (error: Error) => error instanceof ConfigError && expected.test(error.message),
      );
    });
  }

  test('a model has no files', async (t) => {
    const { directory, inputs } = setUp(t);
    mkdirSync(join(directory, 'empty'));
    writeFileSync(join(directory, 'empty', '.hidden'), '');
    await assert.rejects(
      inputs('method: kto\nmodel: empty\ndata: {train: rows.jsonl}\n'),
      /model: .*empty holds no files/,
    );
  });
});

describe('a file is hashed', () => {
  const fileOf = (path: string, size: number): LocalFile => ({ path, name: '', size, mtimeMs: 0 });

  test('in pieces, as sha256sum does', async (t) => {
    const directory = temporaryDirectory(t);
    for (const size of [0, 1, 2 ** 20, 3 * 2 ** 20 + 17]) {
      const path = join(directory, `${size}`);
      const content = randomBytes(size);
      writeFileSync(path, content);
      let read = 0;
      const { sha256 } = await hashFile(
        fileOf(path, size),
        (bytes) => (read += bytes),
        new AbortController().signal,
      );
      assert.equal(sha256, createHash('sha256').update(content).digest('hex'));
      assert.equal(read, size);
    }
  });

  test('until the user has enough', async (t) => {
    const path = join(temporaryDirectory(t), 'file');
    writeFileSync(path, randomBytes(4 * 2 ** 20));
    const interruption = new AbortController();
    const reason = new Error('enough');
    const hashing = hashFile(fileOf(path, 0), () => interruption.abort(reason), interruption.signal);
    await assert.rejects(hashing, reason);
  });
});
