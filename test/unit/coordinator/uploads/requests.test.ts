import assert from 'node:assert/strict';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { requireSubmittedPath } from '../../../../coordinator/uploads/submitted-path.js';
import { EMPTY_SHA256, requireUpload } from '../../../../coordinator/uploads/upload.js';
import { ConfigError } from '../../../../lib/errors.js';
import { v1 } from '../../../../proto/services.js';

const sha256 = 'ab'.repeat(32);

/** What comes over the wire, as a handler sees it. */
const overTheWire = (message: v1.UploadedPath.$Properties) =>
  v1.UploadedPath.decode(v1.UploadedPath.encode(message).finish());

const directory = (...names: string[]) =>
  requireSubmittedPath(
    overTheWire({ path: '/home/me/model', files: names.map((name) => ({ name, sha256 })) }),
  );

describe('an upload is named by hash and size', () => {
  test('sound ones', () => {
    assert.deepEqual(requireUpload({ sha256, size: 7 }), { sha256, size: 7 });
    assert.deepEqual(requireUpload({ sha256: EMPTY_SHA256 }), { sha256: EMPTY_SHA256, size: 0 });
  });

  for (const [what, upload] of [
    ['none', undefined],
    ['no hash', { size: 1 }],
    ['a path', { sha256: '../../etc/passwd', size: 1 }],
    ['upper case, of which there would be two names', { sha256: sha256.toUpperCase(), size: 1 }],
    ['a newline behind it', { sha256: `${sha256}\n`, size: 1 }],
    ['half a byte', { sha256, size: 0.5 }],
    ['less than nothing', { sha256, size: -1 }],
    ['no number', { sha256, size: NaN }],
    ['more than there is', { sha256, size: Infinity }],
    ['an empty file with another hash', { sha256, size: 0 }],
    ['a full file with the hash of the empty one', { sha256: EMPTY_SHA256, size: 1 }],
  ] as const) {
    test(`refused: ${what}`, () => assert.throws(() => requireUpload(upload), ConfigError));
  }
});

describe('a submitted path', () => {
  test('is a file, or a directory with its files in order', () => {
    const file = requireSubmittedPath(
      overTheWire({ path: '/data/rows.jsonl', files: [{ name: '', sha256 }] }),
    );
    assert.deepEqual(file, { path: '/data/rows.jsonl', kind: 'file', files: [{ name: '', sha256 }] });
    const { kind, files } = directory('tokenizer.json', 'config.json', 'ünï cödé');
    assert.equal(kind, 'directory');
    assert.deepEqual(
      files.map(({ name }) => name),
      ['config.json', 'tokenizer.json', 'ünï cödé'],
    );
  });

  for (const name of [
    '..',
    '.',
    '.hidden',
    'a/b',
    '/etc/passwd',
    '../up',
    'nul\0',
    'ü'.repeat(128),
    'x'.repeat(256),
  ]) {
    test(`refuses a file ${JSON.stringify(name.slice(0, 20))}`, () =>
      assert.throws(() => directory('config.json', name), ConfigError));
  }

  test('refuses names twice, an empty one among others, none at all, and too many', () => {
    assert.throws(() => directory('a', 'b', 'a'), /two files "a"/);
    assert.throws(() => directory('a', ''), ConfigError);
    assert.throws(() => directory(), /between 1 and/);
    assert.throws(() => directory(...Array.from({ length: 10_001 }, (_, i) => `f${i}`)), /between 1 and/);
  });

  for (const path of [
    '',
    '/',
    'rows.jsonl',
    '/data/../rows',
    '/data/',
    '/data//rows',
    '/data/.',
    '/nul\0',
    `/${'x'.repeat(256)}`,
  ]) {
    test(`refuses the path ${JSON.stringify(path.slice(0, 20))}`, () =>
      assert.throws(
        () => requireSubmittedPath(overTheWire({ path, files: [{ name: '', sha256 }] })),
        (error) => error instanceof ConfigError && !error.message.includes('\n'),
      ));
  }

  test('whatever it says, is refused with a ConfigError or stays in its tree', () => {
    const parts = fc.oneof(
      fc.constantFrom('..', '.', '', '/', '\0', 'a', '.b', '\n'),
      fc.string({ unit: 'binary' }),
    );
    const text = fc.array(parts, { maxLength: 4 }).map((all) => all.join(''));
    const hash = fc.oneof(fc.constant(sha256), text);
    const file = fc.record({ name: text, sha256: hash });
    fc.assert(
      fc.property(
        fc.oneof(
          text,
          text.map((end) => `/${end}`),
        ),
        fc.array(file, { maxLength: 4 }),
        (path, files) => {
          let read;
          try {
            read = requireSubmittedPath(overTheWire({ path, files }));
          } catch (error) {
            assert.ok(error instanceof ConfigError && !/[\0\n]/.test(error.message), String(error));
            return;
          }
          const place = join('/tree', basename(read.path));
          assert.match(place, /^\/tree\/[^/]+$/);
          for (const { name } of read.files) {
            const inside = join(place, name);
            assert.ok(
              read.kind === 'file' ? inside === place : /^\/tree\/[^/]+\/[^/]+$/.test(inside),
              inside,
            );
          }
          assert.equal(new Set(read.files.map(({ name }) => name)).size, files.length);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
