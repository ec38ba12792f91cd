import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { readdir, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';

import { fileDigest } from '../../../../../worker/reference/cache/file-digests.js';
import { identityOf, type Machine } from '../../../../../worker/reference/cache/identity.js';
import { SharedFiles } from '../../../../../worker/reference/cache/shared-files.js';
import { fixturePath } from '../../../../parity/fixtures.js';
import { keptLog } from '../../../../support/log-lines.js';
import { temporaryDirectory } from '../../../../support/temporary-directory.js';

const machine: Machine = {
  fingerprint: { tensorflowVersion: '2.21.0', device: 'CPU avx2', threads: 1 },
  build: 'tensorflow-2.21.0-cpu-0123456789abcdef',
};

async function openFiles(t: TestContext): Promise<SharedFiles> {
  return new SharedFiles(await temporaryDirectory(t), keptLog().log);
}

async function flipLastByte(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[bytes.length - 1]! ^= 1;
  await writeFile(path, bytes);
}

const sha256 = (content: string) => createHash('sha256').update(content).digest('hex');

describe('what an answer’s bits follow from', () => {
  test('the same content elsewhere is the same model; each ingredient changes it', async (t) => {
    const files = await openFiles(t);
    const dir = await temporaryDirectory(t);
    const llama = fixturePath('models/llama');
    const adapter = fixturePath('golden/train_llama_lora/adapter_init');
    const copyOf = (source: string, name: string) => {
      cpSync(source, join(dir, name), { recursive: true });
      return join(dir, name);
    };
    const identity = (modelDir: string, adapterDir: string | null = null, on = machine) =>
      identityOf({ modelDir, adapterDir }, on, files);

    const original = await identity(llama);
    assert.match(original, /^[0-9a-f]{64}$/);
    assert.equal(await identity(copyOf(llama, 'copy')), original);

    const otherWeights = copyOf(llama, 'weights');
    await flipLastByte(join(otherWeights, 'model.safetensors'));
    const otherConfig = copyOf(llama, 'config');
    await writeFile(
      join(otherConfig, 'config.json'),
      `${await readFile(join(llama, 'config.json'), 'utf8')} `,
    );
    const otherAdapter = copyOf(adapter, 'adapter');
    await flipLastByte(join(otherAdapter, 'adapter_model.safetensors'));
    const { fingerprint } = machine;
    const sharded = fixturePath('models/llama_bf16_sharded');
    const otherShard = copyOf(sharded, 'shard');
    await flipLastByte(join(otherShard, 'model-00002-of-00002.safetensors'));
    const others = await Promise.all([
      identity(otherWeights),
      identity(otherConfig),
      identity(llama, adapter),
      identity(llama, otherAdapter),
      identity(sharded),
      identity(otherShard),
      identity(llama, null, { ...machine, build: 'tensorflow-2.21.0-cuda-0123456789abcdef' }),
      identity(llama, null, { ...machine, fingerprint: { ...fingerprint, threads: 2 } }),
      identity(llama, null, { ...machine, fingerprint: { ...fingerprint, device: 'CPU avx512f' } }),
      identity(llama, null, { ...machine, fingerprint: { ...fingerprint, tensorflowVersion: '2.22.0' } }),
    ]);
    assert.equal(new Set([original, ...others]).size, 1 + others.length);
  });

  test('a model that is not there is an error', async (t) => {
    const dir = await temporaryDirectory(t);
    await assert.rejects(identityOf({ modelDir: dir, adapterDir: null }, machine, await openFiles(t)));
  });
});

describe('digests of files', () => {
  const LONG_AGO = new Date('2020-01-01');

  test('a file is hashed once, until anything about it changes', async (t) => {
    const files = await openFiles(t);
    const dir = await temporaryDirectory(t);
    const path = join(dir, 'weights');
    await writeFile(path, 'one');
    await utimes(path, LONG_AGO, LONG_AGO);
    assert.equal(await fileDigest(path, files), sha256('one'));

    const [memo] = await readdir(join(files.root, 'digests'));
    const place = join(files.root, 'digests', memo!);
    assert.equal(await readFile(place, 'utf8'), sha256('one'));
    await utimes(place, LONG_AGO, LONG_AGO);
    // A digest that no content has: it shows where the answer comes from.
    await writeFile(place, '0'.repeat(64));
    assert.equal(await fileDigest(path, files), '0'.repeat(64));
    assert.ok((await stat(place)).mtimeMs > LONG_AGO.getTime(), 'it counts as used');

    // The same size and time, but another inode.
    await writeFile(join(dir, 'other'), 'two');
    await utimes(join(dir, 'other'), LONG_AGO, LONG_AGO);
    await rename(join(dir, 'other'), path);
    assert.equal(await fileDigest(path, files), sha256('two'));

    await writeFile(path, 'six');
    await utimes(path, LONG_AGO, new Date('2020-01-02'));
    assert.equal(await fileDigest(path, files), sha256('six'));
  });

  test('a damaged note of a digest is not believed', async (t) => {
    const files = await openFiles(t);
    const path = join(await temporaryDirectory(t), 'weights');
    await writeFile(path, 'one');
    await utimes(path, LONG_AGO, LONG_AGO);
    await fileDigest(path, files);
    const [memo] = await readdir(join(files.root, 'digests'));
    for (const damaged of ['', '0'.repeat(63), '0'.repeat(65), 'x'.repeat(64)]) {
      await writeFile(join(files.root, 'digests', memo!), damaged);
      assert.equal(await fileDigest(path, files), sha256('one'));
      assert.equal(await readFile(join(files.root, 'digests', memo!), 'utf8'), sha256('one'));
    }
  });

  test('a file that has only just been written is hashed every time', async (t) => {
    const files = await openFiles(t);
    const path = join(await temporaryDirectory(t), 'weights');
    await writeFile(path, 'one');
    assert.equal(await fileDigest(path, files), sha256('one'));
    await writeFile(path, 'two');
    assert.equal(await fileDigest(path, files), sha256('two'));
    assert.equal(await files.read('digests', 1), null);
  });
});
