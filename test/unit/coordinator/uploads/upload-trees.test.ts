import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { requireSubmittedPath } from '../../../../coordinator/uploads/submitted-path.js';
import { UploadStore } from '../../../../coordinator/uploads/upload-store.js';
import { UploadTrees } from '../../../../coordinator/uploads/upload-trees.js';
import { RunError } from '../../../../lib/errors.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

async function openTrees(t: TestContext) {
  const root = await temporaryDirectory(t);
  const store = new UploadStore(root, { keepFreeBytes: 0 });
  const directory = join(root, 'trees');
  const trees = new UploadTrees(directory, store);
  const put = async (text: string) => {
    const content = Buffer.from(text);
    const sha256 = createHash('sha256').update(content).digest('hex');
    if (content.length > 0) await store.put({ sha256, size: content.length }, 0, content);
    return sha256;
  };
  return { directory, store, trees, put };
}

test('a directory lies under the names that it had, and shares its content with the store', async (t) => {
  const { directory, store, trees, put } = await openTrees(t);
  const config = await put('{}');
  const model = requireSubmittedPath({
    path: '/home/me/model',
    files: [
      { name: 'config.json', sha256: config },
      { name: 'empty.txt', sha256: await put('') },
    ],
  });
  await trees.requireHeld(model);
  await trees.keep(model);
  const place = trees.placeOf(model);
  assert.equal(basename(place), 'model');
  assert.deepEqual(readdirSync(place).sort(), ['config.json', 'empty.txt']);
  assert.equal(readFileSync(join(place, 'config.json'), 'utf8'), '{}');
  assert.equal(readFileSync(join(place, 'empty.txt'), 'utf8'), '');
  assert.equal(statSync(join(place, 'config.json')).ino, statSync(store.blob(config)).ino);
  assert.deepEqual(readdirSync(directory), [basename(dirname(place))]);
});

test('the same files are the same tree, also for two at once; another name or content is another one', async (t) => {
  const { directory, trees, put } = await openTrees(t);
  const file = (path: string, sha256: string) =>
    requireSubmittedPath({ path, files: [{ name: '', sha256 }] });
  const sha256 = await put('rows');
  const rows = file('/a/rows.jsonl', sha256);
  await Promise.all([trees.keep(rows), trees.keep(rows), trees.keep(file('/b/rows.jsonl', sha256))]);
  assert.equal(readdirSync(directory).length, 1);
  assert.equal(readFileSync(trees.placeOf(rows), 'utf8'), 'rows');
  await trees.keep(file('/a/others.jsonl', sha256));
  await trees.keep(file('/a/rows.jsonl', await put('other rows')));
  assert.equal(readdirSync(directory).length, 3);
  assert.equal(readFileSync(trees.placeOf(rows), 'utf8'), 'rows');
});

test('a file that was not uploaded is named, and nothing of the tree stays', async (t) => {
  const { directory, trees, put } = await openTrees(t);
  const files = [
    { name: 'config.json', sha256: await put('{}') },
    { name: 'model.safetensors', sha256: 'ab'.repeat(32) },
  ];
  const model = requireSubmittedPath({ path: '/home/me/model', files });
  const naming = (error: unknown) =>
    error instanceof RunError && error.message.includes('/home/me/model/model.safetensors');
  await assert.rejects(trees.requireHeld(model), naming);
  await assert.rejects(trees.keep(model), RunError);
  assert.equal(existsSync(trees.placeOf(model)), false);
  assert.deepEqual(readdirSync(directory), []);
});

test('what a killed coordinator had begun goes, and trees stay', async (t) => {
  const { directory, trees, put } = await openTrees(t);
  await trees.removeLeftovers();
  const rows = requireSubmittedPath({ path: '/rows', files: [{ name: '', sha256: await put('rows') }] });
  await trees.keep(rows);
  mkdirSync(join(directory, '.tmp-1', 'model'), { recursive: true });
  writeFileSync(join(directory, '.tmp-1', 'model', 'config.json'), '{}');
  await trees.removeLeftovers();
  assert.deepEqual(readdirSync(directory), [basename(dirname(trees.placeOf(rows)))]);
});
