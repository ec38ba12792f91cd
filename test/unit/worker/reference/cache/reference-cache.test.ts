import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';

import { ReferenceCache } from '../../../../../worker/reference/cache/reference-cache.js';
import { SharedFiles } from '../../../../../worker/reference/cache/shared-files.js';
import { keptLog, warningsOf } from '../../../../support/log-lines.js';
import { makeReadOnly, smallDisk } from '../../../../support/small-disk.js';
import { temporaryDirectory } from '../../../../support/temporary-directory.js';
import { leafOf } from './leaves.js';

const IDENTITY = 'f'.repeat(64);
const DAY_MS = 24 * 3_600_000;

function openCache(root: string, identity = Promise.resolve(IDENTITY)) {
  const { log, lines } = keptLog();
  return { cache: new ReferenceCache(new SharedFiles(root, log), identity, log), lines };
}

/** Files below a directory, relative to it. */
async function filesIn(root: string): Promise<string[]> {
  const found = await readdir(root, { recursive: true, withFileTypes: true });
  return found.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

/** A cache directory that holds leaves 0 to `leaves - 1`. */
async function filledCache(t: TestContext, leaves: number): Promise<string> {
  const root = await temporaryDirectory(t);
  const { cache, lines } = openCache(root);
  for (let number = 0; number < leaves; number++)
    cache.keep(leafOf(number).request, leafOf(number).completions);
  await cache.close();
  assert.deepEqual(warningsOf(lines), []);
  return root;
}

describe('the reference cache', () => {
  test('a leaf that was kept is found by the next replica, and no other', async (t) => {
    const root = await filledCache(t, 3);
    const { cache, lines } = openCache(root);
    for (const number of [0, 1, 2]) {
      assert.deepStrictEqual(await cache.find(leafOf(number).request), leafOf(number).completions);
    }
    assert.equal(await cache.find(leafOf(3).request), null);
    await cache.close();
    const { msg, level, time, directory, ...counts } = lines.at(-1)! as (typeof lines)[0] &
      Record<string, unknown>;
    assert.deepEqual(
      counts,
      { hits: 3, misses: 1, dropped: 0 },
      `${msg} ${level} ${String(time)} ${String(directory)}`,
    );
    assert.deepEqual((await readdir(root)).sort(), ['answers', 'partial']);
    assert.deepEqual(await readdir(join(root, 'partial')), []);
  });

  test('another model or machine finds nothing', async (t) => {
    const { cache } = openCache(await filledCache(t, 1), Promise.resolve('e'.repeat(64)));
    assert.equal(await cache.find(leafOf(0).request), null);
    await cache.close();
  });

  test('damaged, cut, empty and foreign entries are removed, with one warning, and kept anew', async (t) => {
    const root = await filledCache(t, 5);
    const [flipped, cut, empty, foreign, folder] = (await filesIn(root)) as [
      string,
      string,
      string,
      string,
      string,
    ];
    const bytes = await readFile(flipped);
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(flipped, bytes);
    await truncate(cut, 60);
    await truncate(empty, 0);
    await writeFile(foreign, await readFile(folder));
    await rm(folder);
    await mkdir(folder);

    const { cache, lines } = openCache(root);
    const numbers = [0, 1, 2, 3, 4];
    for (const number of numbers) assert.equal(await cache.find(leafOf(number).request), null);
    assert.deepEqual(await filesIn(root), []);
    for (const number of numbers) cache.keep(leafOf(number).request, leafOf(number).completions);
    await cache.close();
    assert.deepEqual(warningsOf(lines), [
      'damaged cache entries are dropped and their leaves computed again',
    ]);
    assert.equal((lines.at(-1) as unknown as { dropped: number }).dropped, 5);

    const next = openCache(root);
    for (const number of numbers) {
      assert.deepStrictEqual(await next.cache.find(leafOf(number).request), leafOf(number).completions);
    }
    await next.cache.close();
  });

  test('replicas that write at the same time never show half an entry', async (t) => {
    const root = await temporaryDirectory(t);
    const caches = [openCache(root), openCache(root), openCache(root)];
    const numbers = Array.from({ length: 40 }, (_, number) => number);
    await Promise.all(
      numbers.flatMap((number) => {
        const { request, completions } = leafOf(number);
        return caches.flatMap(({ cache }, reader) => {
          cache.keep(request, completions);
          return [0, 1, 2].map(async () => {
            const found = await caches[(reader + 1) % caches.length]!.cache.find(request);
            if (found !== null) assert.deepStrictEqual(found, completions);
          });
        });
      }),
    );
    for (const { cache, lines } of caches) {
      await cache.close();
      assert.deepEqual(warningsOf(lines), []);
    }
    assert.equal((await filesIn(root)).length, numbers.length);
  });

  test('answers that are not finite are not kept', async (t) => {
    const root = await temporaryDirectory(t);
    const { cache } = openCache(root);
    cache.keep(leafOf(1).request, [{ logp: Number.NaN, tokenLogps: Float32Array.from([Number.NaN, -1]) }]);
    await cache.close();
    assert.equal(await cache.find(leafOf(1).request), null);
  });

  test('a leaf that is asked for before the model is hashed waits for that', async (t) => {
    const root = await filledCache(t, 1);
    let identify!: (identity: string) => void;
    const { cache } = openCache(root, new Promise((resolve) => (identify = resolve)));
    const found = cache.find(leafOf(0).request);
    identify(IDENTITY);
    assert.deepStrictEqual(await found, leafOf(0).completions);
    await cache.close();
  });

  test('closing does not wait for a model that is still being hashed', async (t) => {
    const root = await temporaryDirectory(t);
    const { cache, lines } = openCache(root, new Promise(() => undefined));
    cache.keep(leafOf(0).request, leafOf(0).completions);
    await cache.close();
    assert.deepEqual(warningsOf(lines), []);
  });

  test('where the model cannot be hashed, one warning says so and nothing is kept', async (t) => {
    const root = await temporaryDirectory(t);
    const { cache, lines } = openCache(root, Promise.reject(new Error('config.json: gone')));
    cache.keep(leafOf(0).request, leafOf(0).completions);
    assert.equal(await cache.find(leafOf(0).request), null);
    await cache.close();
    assert.deepEqual(warningsOf(lines), ['answers are not kept on disk: config.json: gone']);
    assert.deepEqual(await readdir(root), []);
  });

  test('a directory that cannot be made: one warning, and nothing fails', async (t) => {
    const root = join(await temporaryDirectory(t), 'file');
    await writeFile(root, 'not a directory');
    const { cache, lines } = openCache(root);
    for (const number of [0, 1, 2]) cache.keep(leafOf(number).request, leafOf(number).completions);
    assert.equal(await cache.find(leafOf(0).request), null);
    await cache.close();
    assert.equal(warningsOf(lines).length, 1);
    assert.match(warningsOf(lines)[0]!, /the cache cannot be written/);
  });

  test('a full disk: what fits is found again, one warning, and nothing half-written stays', async (t) => {
    const root = smallDisk(t, 65_536);
    if (root === null) return;
    const { cache, lines } = openCache(root);
    for (let number = 0; number < 100; number++) {
      cache.keep(leafOf(number).request, leafOf(number).completions);
    }
    await cache.close();
    assert.equal(warningsOf(lines).length, 1);
    assert.match(warningsOf(lines)[0]!, /cannot be written.*ENOSPC/);
    assert.deepEqual(await readdir(join(root, 'partial')), []);
    const next = openCache(root);
    let hits = 0;
    for (let number = 0; number < 100; number++) {
      const found = await next.cache.find(leafOf(number).request);
      if (found === null) continue;
      hits++;
      assert.deepStrictEqual(found, leafOf(number).completions);
    }
    await next.cache.close();
    assert.equal(hits, (await filesIn(root)).length);
    assert.ok(hits > 0 && hits < 100, `${hits} leaves fit`);
  });

  test('a read-only cache is read, damaged entries included; one warning', async (t) => {
    const root = smallDisk(t, 65_536);
    if (root === null) return;
    const first = openCache(root);
    for (const number of [0, 1]) first.cache.keep(leafOf(number).request, leafOf(number).completions);
    await first.cache.close();
    const files = await filesIn(root);
    await truncate(files[0]!, 10);
    makeReadOnly(root);
    const { cache, lines } = openCache(root);
    const found = [await cache.find(leafOf(0).request), await cache.find(leafOf(1).request)];
    assert.equal(found.filter((answers) => answers === null).length, 1);
    for (const number of [0, 1]) cache.keep(leafOf(number).request, leafOf(number).completions);
    await cache.close();
    assert.deepEqual(
      warningsOf(lines).map((line) => line.replace(/ \(.*/, '')),
      [
        'damaged cache entries are dropped and their leaves computed again',
        'the cache cannot be written, so it is done without',
      ],
    );
  });

  test('models that nobody used for 30 days go, and what killed writers left; this model stays', async (t) => {
    const root = await filledCache(t, 1);
    const place = (...names: string[]) => join(root, ...names);
    const age = async (path: string, days: number) => {
      const then = new Date(Date.now() - days * DAY_MS);
      await utimes(path, then, then);
    };
    for (const [name, days] of [
      ['old', 31],
      ['recent', 29],
    ] as const) {
      await mkdir(place('answers', name, '00'), { recursive: true });
      await writeFile(place('answers', name, '00', 'entry'), 'x');
      await age(place('answers', name), days);
    }
    await age(place('answers', IDENTITY), 31);
    await writeFile(place('partial', 'abandoned'), 'x');
    await age(place('partial', 'abandoned'), 1);
    await writeFile(place('partial', 'under-way'), 'x');
    await mkdir(place('digests'));
    await writeFile(place('digests', 'old'), 'x');
    await age(place('digests', 'old'), 31);

    await openCache(root).cache.close();
    assert.deepEqual((await readdir(place('answers'))).sort(), [IDENTITY, 'recent']);
    assert.deepEqual(await readdir(place('partial')), ['under-way']);
    assert.deepEqual(await readdir(place('digests')), []);
    assert.ok(Date.now() - (await stat(place('answers', IDENTITY))).mtimeMs < DAY_MS);
  });
});
