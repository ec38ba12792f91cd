import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { EMPTY_SHA256, type Upload } from '../../../../coordinator/uploads/upload.js';
import { UploadStore } from '../../../../coordinator/uploads/upload-store.js';
import { ConfigError, RunError } from '../../../../lib/errors.js';
import { smallDisk } from '../../../support/small-disk.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

const uploadOf = (content: Uint8Array): Upload => ({
  sha256: createHash('sha256').update(content).digest('hex'),
  size: content.length,
});

/** Bytes that differ from place to place. */
const contentOf = (bytes: number) =>
  Buffer.from(Array.from({ length: bytes }, (_, i) => (i * 7 + (i >> 8)) % 251));

const namesIn = (root: string, directory: string) => {
  const path = join(root, directory);
  return existsSync(path) ? readdirSync(path) : [];
};

async function openStore(t: TestContext) {
  const root = join(await temporaryDirectory(t), 'uploads');
  return { root, store: new UploadStore(root, { keepFreeBytes: 0 }) };
}

describe('an upload', () => {
  test('is held in part, then complete under its hash, and cannot be written by mistake', async (t) => {
    const { root, store } = await openStore(t);
    const content = contentOf(1000);
    const upload = uploadOf(content);
    assert.equal(await store.held(upload), 0);
    assert.equal(await store.put(upload, 0, content.subarray(0, 600)), 600);
    assert.equal(await store.held(upload), 600);
    assert.equal(await store.has(upload.sha256), false);
    assert.equal(await store.put(upload, 600, content.subarray(600)), 1000);
    assert.equal(await store.held(upload), 1000);
    assert.equal(await store.has(upload.sha256), true);
    assert.deepEqual(readFileSync(store.blob(upload.sha256)), content);
    assert.equal(statSync(store.blob(upload.sha256)).mode & 0o222, 0);
    assert.deepEqual(namesIn(root, 'incoming'), []);
  });

  test('takes no chunk for another place, says what is held, and is complete only once', async (t) => {
    const { store } = await openStore(t);
    const content = contentOf(100);
    const upload = uploadOf(content);
    assert.equal(await store.put(upload, 10, content.subarray(10, 20)), 0);
    assert.equal(await store.put(upload, 0, content.subarray(0, 20)), 20);
    assert.equal(await store.put(upload, 0, content.subarray(0, 50)), 20);
    assert.equal(await store.put(upload, 20, new Uint8Array()), 20);
    await store.put(upload, 20, content.subarray(20));
    assert.equal(await store.put(upload, 0, contentOf(7)), 100);
    assert.equal(await store.put(upload, 100, contentOf(7)), 100);
    assert.deepEqual(readFileSync(store.blob(upload.sha256)), content);
  });

  test('with content that is not what its hash says is refused, and can be sent again', async (t) => {
    const { root, store } = await openStore(t);
    const content = contentOf(100);
    const upload = uploadOf(content);
    const wrong = Buffer.from(content);
    wrong[3]! ^= 1;
    await store.put(upload, 0, wrong.subarray(0, 50));
    await assert.rejects(
      store.put(upload, 50, wrong.subarray(50)),
      (error) =>
        error instanceof ConfigError && /is not what its hash says.*send it again/.test(error.message),
    );
    assert.equal(await store.held(upload), 0);
    assert.deepEqual([namesIn(root, 'incoming'), namesIn(root, 'blobs')], [[], []]);
    assert.equal(await store.put(upload, 0, content), 100);
  });

  test('has no more bytes than its size, and a complete one no other size', async (t) => {
    const { store } = await openStore(t);
    const content = contentOf(100);
    const upload = uploadOf(content);
    await assert.rejects(store.put(upload, 0, contentOf(101)), ConfigError);
    assert.equal(await store.held(upload), 0);
    await store.put(upload, 0, content);
    await assert.rejects(store.held({ ...upload, size: 99 }), ConfigError);
  });

  test('of which someone has sent more than there is, out of an error, starts anew', async (t) => {
    const { store } = await openStore(t);
    const content = contentOf(100);
    const upload = uploadOf(content);
    await store.put({ ...upload, size: 1000 }, 0, contentOf(500));
    assert.equal(await store.held(upload), 0);
    assert.equal(await store.put(upload, 0, content), 100);
  });

  test('that is empty need not be sent', async (t) => {
    const { root, store } = await openStore(t);
    assert.equal(await store.has(EMPTY_SHA256), true);
    assert.equal(await store.held({ sha256: EMPTY_SHA256, size: 0 }), 0);
    assert.equal(existsSync(root), false);
  });
});

describe('a store that is opened again', () => {
  test('goes on with what was held', async (t) => {
    const { root, store } = await openStore(t);
    const content = contentOf(100);
    const upload = uploadOf(content);
    await store.put(upload, 0, content.subarray(0, 33));
    const next = new UploadStore(root, { keepFreeBytes: 0 });
    assert.equal(await next.held(upload), 33);
    assert.equal(await next.put(upload, 33, content.subarray(33)), 100);
  });

  test('completes what had come to its end, and not what is wrong', async (t) => {
    const { root, store } = await openStore(t);
    const [good, bad] = [contentOf(100), contentOf(200)];
    await store.put(uploadOf(good), 0, good.subarray(0, 99));
    await store.put(uploadOf(bad), 0, bad.subarray(0, 199));
    // Killed between its last byte and its verification.
    writeFileSync(join(root, 'incoming', uploadOf(good).sha256), good);
    truncateSync(join(root, 'incoming', uploadOf(bad).sha256), 200);
    const next = new UploadStore(root, { keepFreeBytes: 0 });
    assert.equal(await next.held(uploadOf(good)), 100);
    assert.equal(await next.held(uploadOf(bad)), 0);
    assert.deepEqual(readFileSync(next.blob(uploadOf(good).sha256)), good);
    assert.deepEqual(namesIn(root, 'incoming'), []);
  });
});

test('clients that send one file at the same time help each other, however their chunks fall', async (t) => {
  const { root } = await openStore(t);
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.array(fc.array(fc.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 5 }), {
        minLength: 1,
        maxLength: 4,
      }),
      async (content, clients) => {
        const store = new UploadStore(join(root, `${(runs += 1)}`), { keepFreeBytes: 0 });
        const upload = uploadOf(content);
        const send = async (chunks: readonly number[]) => {
          let held = await store.held(upload);
          for (let turn = 0; held < upload.size; turn += 1) {
            const chunk = content.subarray(held, held + chunks[turn % chunks.length]!);
            const next = await store.put(upload, held, chunk);
            assert.ok(next > held, 'someone made progress');
            held = next;
          }
        };
        await Promise.all(clients.map(send));
        assert.deepEqual(new Uint8Array(readFileSync(store.blob(upload.sha256))), content);
        assert.deepEqual(namesIn(join(root, `${runs}`), 'incoming'), []);
      },
    ),
    { numRuns: 40 },
  );
});

describe('a disk that is full', () => {
  const size = 2 ** 20;

  test('refuses the chunk in one line, keeps what was held, and takes the rest once there is space', async (t) => {
    const disk = smallDisk(t, size);
    if (disk === null) return;
    const store = new UploadStore(join(disk, 'uploads'), { keepFreeBytes: 0 });
    const content = contentOf(size / 2);
    const upload = uploadOf(content);
    await store.put(upload, 0, content.subarray(0, 100_000));
    writeFileSync(join(disk, 'ballast'), Buffer.alloc(size * 0.75));
    await assert.rejects(
      store.put(upload, 100_000, content.subarray(100_000)),
      (error) =>
        error instanceof RunError &&
        /ENOSPC|has only 0 MiB free/.test(error.message) &&
        !error.message.includes('\n'),
    );
    assert.equal(await store.held(upload), 100_000);
    truncateSync(join(disk, 'ballast'), 0);
    assert.equal(await store.put(upload, 100_000, content.subarray(100_000)), upload.size);
  });

  test('is never filled to the last byte: the journal needs some, too', async (t) => {
    const disk = smallDisk(t, size);
    if (disk === null) return;
    const store = new UploadStore(join(disk, 'uploads'), { keepFreeBytes: size / 2 });
    const content = contentOf(size * 0.75);
    const upload = uploadOf(content);
    await store.put(upload, 0, content.subarray(0, size / 4));
    await assert.rejects(
      store.put(upload, size / 4, content.subarray(size / 4)),
      (error) => error instanceof RunError && /MiB free.*journal.*make space/.test(error.message),
    );
    assert.equal(await store.held(upload), size / 4);
  });
});

test('a store that cannot be written says so', async (t) => {
  const { root, store } = await openStore(t);
  // A file where its directory should be.
  writeFileSync(root, '');
  const content = contentOf(10);
  await assert.rejects(
    store.put(uploadOf(content), 0, content),
    (error) => error instanceof RunError && error.message.includes(root),
  );
});
