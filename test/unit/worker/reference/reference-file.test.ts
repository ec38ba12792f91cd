import assert from 'node:assert/strict';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ReferenceModel } from '../../../../lib/config/reference-model.js';
import { ConfigError } from '../../../../lib/errors.js';
import { followReferenceFile } from '../../../../worker/reference/follow.js';
import {
  parseReferenceFile,
  readReferenceFile,
  writeReferenceFile,
} from '../../../../worker/reference/reference-file.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

const directory = fc.string({ minLength: 1, unit: 'grapheme' });
const models = fc.record({ modelDir: directory, adapterDir: fc.option(directory) });

test('what is written is read', async (t) => {
  const dir = await temporaryDirectory(t);
  const file = join(dir, 'reference.json');
  assert.equal(readReferenceFile(file), null);
  fc.assert(
    fc.property(models, (model) => {
      writeReferenceFile(file, model);
      assert.deepEqual(readReferenceFile(file), { ...model });
    }),
  );
  assert.deepEqual(readdirSync(dir), ['reference.json']);
});

const text = (content: unknown) => Buffer.from(JSON.stringify(content));

const wrong: Record<string, Uint8Array> = {
  'no JSON': Buffer.from('{'),
  nothing: Buffer.from(''),
  'no UTF-8': Buffer.from([0x22, 0xff, 0x22]),
  'a key twice': Buffer.from('{"modelDir":"/a","adapterDir":null,"modelDir":"/b"}'),
  'no object': text('/model'),
  'a key less': text({ modelDir: '/model' }),
  'a key more': text({ modelDir: '/model', adapterDir: null, generation: 1 }),
  'an empty name': text({ modelDir: '', adapterDir: null }),
  'an adapter that is no name': text({ modelDir: '/model', adapterDir: 3 }),
};
for (const [name, bytes] of Object.entries(wrong)) {
  test(`a file that holds ${name} is refused by its name`, () => {
    assert.throws(() => parseReferenceFile(bytes, '/run/reference.json'), {
      name: 'ConfigError',
      message: /^\/run\/reference\.json /,
    });
  });
}

test('whatever becomes of a file’s bytes, it names a model or is refused', () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(models, damage, fc.nat(), (model, changes, length) => {
      const bytes = text(model);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      const cut = bytes.subarray(0, length % 2 === 0 ? bytes.length : length % bytes.length);
      try {
        const { modelDir, adapterDir } = parseReferenceFile(cut, 'file');
        assert.ok(modelDir.length > 0 && adapterDir !== '');
      } catch (error) {
        assert.ok(error instanceof ConfigError, String(error));
        assert.ok(!error.message.includes('\n'));
      }
    }),
  );
});

test('a file is followed: it comes late, changes, and names a model again', async (t) => {
  const file = join(await temporaryDirectory(t), 'reference.json');
  const over = new AbortController();
  const following = followReferenceFile(file, over.signal);
  const next = async () => (await following.next()).value ?? null;
  const [a, b]: ReferenceModel[] = [
    { modelDir: '/a', adapterDir: null },
    { modelDir: '/a', adapterDir: '/adapter' },
  ];
  const first = next();
  writeReferenceFile(file, a!);
  assert.deepEqual(await first, a);
  writeReferenceFile(file, a!);
  const second = next();
  writeReferenceFile(file, b!);
  assert.deepEqual(await second, b);
  writeReferenceFile(file, a!);
  assert.deepEqual(await next(), a);
  const last = next();
  over.abort();
  assert.equal(await last, null);
});

test('a followed file that is not one of ours is an error', async (t) => {
  const file = join(await temporaryDirectory(t), 'reference.json');
  writeFileSync(file, 'model: /a');
  const following = followReferenceFile(file, new AbortController().signal);
  await assert.rejects(following.next(), ConfigError);
  rmSync(file);
});
