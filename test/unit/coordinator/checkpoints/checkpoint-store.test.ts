import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { copyFile, mkdir, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { CheckpointStore } from '../../../../coordinator/checkpoints/checkpoint-store.js';
import { readManifest } from '../../../../lib/checkpoint/manifest.js';
import { RunError } from '../../../../lib/errors.js';
import { flipBit } from '../../../support/flip-bit.js';
import { smallDisk } from '../../../support/small-disk.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';
import { testRandom } from '../../worker/random.js';
import { writeParts } from './stored-parts.js';

interface Fixture {
  readonly out: string;
  readonly store: CheckpointStore;
}

async function open(t: TestContext, keep = 3): Promise<Fixture> {
  const out = await temporaryDirectory(t);
  return { out, store: new CheckpointStore(out, keep) };
}

async function save(
  store: CheckpointStore,
  step: number,
  { stage = 1, parts: count = 2 } = {},
): Promise<string> {
  const id = { stage, step };
  const begun = await store.begin(id);
  const parts = await writeParts(begun, count);
  return (await store.finish(begun, { ...id, updates: step, parts })).directory;
}

/** Everything in `checkpoints/`, hidden names too. */
const listed = (out: string) => readdirSync(join(out, 'checkpoints')).sort();
const newest = (store: CheckpointStore, atMostStep = 1000, stage = 1) =>
  store.newestSound({ stage, atMostStep });

function runError(...expected: RegExp[]) {
  return (error: unknown) => {
    assert.ok(error instanceof RunError, String(error));
    for (const pattern of expected) assert.match(error.message, pattern);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  };
}

describe('CheckpointStore', () => {
  test('a checkpoint has its name only once it is complete', async (t) => {
    const { out, store } = await open(t);
    const id = { stage: 1, step: 20 };
    const begun = await store.begin(id);
    const parts = await writeParts(begun, 3);
    assert.deepEqual(listed(out), [basename(begun)]);
    assert.deepEqual(await newest(store), { found: null, refused: [] });

    const { directory, bytes } = await store.finish(begun, { ...id, updates: 18, parts: parts.reverse() });
    assert.deepEqual(listed(out), ['stage-01-step-00000020']);
    const files = readdirSync(directory).sort();
    assert.deepEqual(files, [...parts.map(({ file }) => file).sort(), 'manifest.json'].sort());
    const sizes = await Promise.all(files.map(async (file) => (await stat(join(directory, file))).size));
    assert.equal(
      bytes,
      sizes.reduce((sum, size) => sum + size, 0),
    );
    assert.deepEqual(await newest(store), { found: { directory, step: 20, updates: 18 }, refused: [] });
    const { writtenAt, ...manifest } = await readManifest(directory);
    assert.ok(Math.abs(Date.parse(writtenAt) - Date.now()) < 3_600_000);
    assert.deepEqual(manifest, {
      version: 1,
      stage: 1,
      step: 20,
      updates: 18,
      size: 100,
      parts: parts.reverse().map(({ file, start, end, bytes: length, sha256 }) => ({
        file,
        start,
        end,
        bytes: length,
        sha256,
      })),
    });
  });

  test('returns absolute paths, which workers elsewhere can use', async (t) => {
    const { out } = await open(t);
    const store = new CheckpointStore(join(out, 'a', '..'), 1);
    assert.ok(
      (await store.begin({ stage: 1, step: 1 })).startsWith(`${out}/checkpoints/.stage-01-step-00000001.`),
    );
  });

  const badParts: Record<string, [(begun: string) => Promise<void>, RegExp]> = {
    'a missing part': [
      (begun) => rm(join(begun, 'part-1-of-2.safetensors')),
      /part-1-of-2\.safetensors.*ENOENT/,
    ],
    'a part that is cut short': [
      (begun) => truncate(join(begun, 'part-0-of-2.safetensors'), 999),
      /part-0-of-2\.safetensors: has 999 bytes instead of 1000/,
    ],
    'a directory in the place of a part': [
      async (begun) => {
        await rm(join(begun, 'part-0-of-2.safetensors'));
        await mkdir(join(begun, 'part-0-of-2.safetensors'));
      },
      /part-0-of-2\.safetensors: is not a regular file/,
    ],
    'a directory that is gone': [(begun) => rm(begun, { recursive: true }), /ENOENT/],
  };
  for (const [name, [damage, expected]] of Object.entries(badParts)) {
    test(`finish refuses ${name} and leaves nothing behind`, async (t) => {
      const { out, store } = await open(t);
      const begun = await store.begin({ stage: 1, step: 5 });
      const parts = await writeParts(begun, 2);
      await damage(begun);
      await assert.rejects(
        store.finish(begun, { stage: 1, step: 5, updates: 5, parts }),
        runError(/stage-01-step-00000005: cannot be written/, expected),
      );
      assert.deepEqual(listed(out), []);
    });
  }

  test('finish refuses parts that do not make up the whole', async (t) => {
    const { out, store } = await open(t);
    const attempt = async (change: (parts: Awaited<ReturnType<typeof writeParts>>) => object[]) => {
      const begun = await store.begin({ stage: 1, step: 5 });
      const parts = change(await writeParts(begun, 3)) as Awaited<ReturnType<typeof writeParts>>;
      return store.finish(begun, { stage: 1, step: 5, updates: 5, parts });
    };
    const cases: [(parts: Awaited<ReturnType<typeof writeParts>>) => object[], RegExp][] = [
      [([a, , c]) => [a!, c!], /part-2-of-3\.safetensors.*leaves a gap/],
      [([a, b]) => [a!, b!], /66 elements in all, its size says 100/],
      [([a, b, c]) => [a!, a!, b!, c!], /part-0-of-3\.safetensors twice/],
      [([a, b, c]) => [a!, { ...b!, size: 101 }, c!], /part-1-of-3\.safetensors is of a space of 101/],
      [([a, b, c]) => [a!, b!, { ...c!, file: '../x' }], /file of the same directory/],
      [([a, b, c]) => [a!, b!, { ...c!, sha256: '' }], /sha256/],
      [() => [], /size|parts/],
    ];
    for (const [change, expected] of cases) await assert.rejects(attempt(change), runError(expected));
    assert.deepEqual(listed(out), []);
  });

  test('an abandoned checkpoint is gone, and what comes late does not reach the next one', async (t) => {
    const { out, store } = await open(t);
    const id = { stage: 1, step: 7 };
    const first = await store.begin(id);
    await writeParts(first, 2);
    await store.abandon(first);
    await store.abandon(first);
    const second = await store.begin(id);
    assert.notEqual(second, first);
    await assert.rejects(writeFile(join(first, 'part-0-of-2.safetensors'), ''), /ENOENT/);
    await store.finish(second, { ...id, updates: 7, parts: await writeParts(second, 1) });
    assert.deepEqual(listed(out), ['stage-01-step-00000007']);
  });

  test('completes and removes only what begin made', async (t) => {
    const { out, store } = await open(t);
    await assert.rejects(store.abandon(out), /was not made by begin/);
    await assert.rejects(store.abandon(await save(store, 1)), /was not made by begin/);
    assert.deepEqual(listed(out), ['stage-01-step-00000001']);
  });

  test('keeps the newest ones, of all stages, and other files', async (t) => {
    const { out, store } = await open(t, 2);
    const steps = async (stage: number, ...all: number[]) => {
      for (const step of all) await save(store, step, { stage });
    };
    await steps(1, 9, 10, 100);
    await writeFile(join(out, 'checkpoints', 'notes.txt'), 'mine');
    await mkdir(join(out, 'checkpoints', 'stage-1-step-3'));
    const others = ['notes.txt', 'stage-1-step-3'];
    const expected = (...names: string[]) => assert.deepEqual(listed(out), [...others, ...names].sort());
    expected('stage-01-step-00000010', 'stage-01-step-00000100');
    await steps(2, 1);
    expected('stage-01-step-00000100', 'stage-02-step-00000001');
    await steps(2, 2);
    expected('stage-02-step-00000001', 'stage-02-step-00000002');
    await store.removeLeftovers();
    expected('stage-02-step-00000001', 'stage-02-step-00000002');
  });

  test('sorts by number, where the numbers outgrow their zeros', async (t) => {
    const { out, store } = await open(t, 1);
    await save(store, 99_999_999);
    await save(store, 100_000_000);
    assert.deepEqual(listed(out), ['stage-01-step-100000000']);
  });

  test('gives the newest one of the stage, not after the given step', async (t) => {
    const { store } = await open(t, 5);
    for (const step of [10, 20, 30]) await save(store, step);
    await save(store, 5, { stage: 2 });
    const step = async (atMostStep: number, stage = 1) =>
      (await newest(store, atMostStep, stage)).found?.step;
    assert.deepEqual(
      [await step(9), await step(10), await step(29), await step(1000), await step(4, 2), await step(5, 2)],
      [undefined, 10, 20, 30, undefined, 5],
    );
    assert.equal(await step(100, 3), undefined);
  });

  const damages: Record<
    string,
    [(directory: string, store: CheckpointStore) => Promise<void> | void, RegExp]
  > = {
    'a flipped bit in a part': [
      (directory) => flipBit(join(directory, 'part-1-of-2.safetensors'), 999, 7),
      /part-1-of-2\.safetensors: is damaged: its contents do not match their checksum/,
    ],
    'a part that is cut short': [
      (directory) => truncate(join(directory, 'part-0-of-2.safetensors'), 10),
      /part-0-of-2\.safetensors: has 10 bytes instead of 1000/,
    ],
    'a part that is too long': [
      (directory) => truncate(join(directory, 'part-0-of-2.safetensors'), 1001),
      /part-0-of-2\.safetensors: has 1001 bytes instead of 1000/,
    ],
    'a missing part': [
      (directory) => rm(join(directory, 'part-0-of-2.safetensors')),
      /part-0-of-2\.safetensors: cannot be read \(ENOENT/,
    ],
    'a part that is no file': [
      async (directory) => {
        await rm(join(directory, 'part-0-of-2.safetensors'));
        await symlink('/dev/zero', join(directory, 'part-0-of-2.safetensors'));
      },
      /part-0-of-2\.safetensors: is not a regular file/,
    ],
    'a missing manifest': [(directory) => rm(join(directory, 'manifest.json')), /manifest\.json: .*ENOENT/],
    'a damaged manifest': [(directory) => flipBit(join(directory, 'manifest.json'), 30), /manifest\.json: /],
    'the manifest of another step': [
      (directory) =>
        copyFile(
          join(directory, '../stage-01-step-00000010/manifest.json'),
          join(directory, 'manifest.json'),
        ),
      /manifest\.json: is of stage 1, step 10, which is not what its directory is called/,
    ],
    'a file in its place': [
      async (directory) => {
        await rm(directory, { recursive: true });
        await writeFile(directory, '');
      },
      /manifest\.json: .*ENOTDIR/,
    ],
  };
  for (const [name, [damage, expected]] of Object.entries(damages)) {
    test(`refuses ${name} by name, and takes the one before`, async (t) => {
      const { store } = await open(t);
      const sound = await save(store, 10);
      const damaged = await save(store, 20);
      await damage(damaged, store);
      const { found, refused } = await newest(store);
      assert.deepEqual(found, { directory: sound, step: 10, updates: 10 });
      assert.deepEqual(
        refused.map(({ directory }) => directory),
        [damaged],
      );
      assert.match(refused[0]!.reason, expected);
      assert.doesNotMatch(refused[0]!.reason, /\n/);
    });
  }

  test('finds any flipped bit of a part of several pieces', async (t) => {
    const random = testRandom(t);
    const { store } = await open(t);
    const id = { stage: 1, step: 1 };
    const begun = await store.begin(id);
    const length = 5 * 2 ** 20 + 3;
    const parts = await writeParts(begun, 1, () => Buffer.alloc(length, 'prospect'));
    const { directory } = await store.finish(begun, { ...id, updates: 1, parts });
    const path = join(directory, parts[0]!.file);
    for (const position of [0, 2 * 2 ** 20, length - 1, ...random.integers(5, length)]) {
      flipBit(path, position, 3);
      assert.match((await newest(store)).refused[0]?.reason ?? 'taken', /is damaged/, `at ${position}`);
      flipBit(path, position, 3);
    }
    assert.equal((await newest(store)).found?.directory, directory);
  });

  test('lists all that are refused, newest first, and may find none', async (t) => {
    const { store } = await open(t);
    const directories = [await save(store, 10), await save(store, 20), await save(store, 30)];
    for (const directory of directories) flipBit(join(directory, 'part-0-of-2.safetensors'), 1);
    const { found, refused } = await newest(store);
    assert.equal(found, null);
    assert.deepEqual(
      refused.map(({ directory }) => directory),
      directories.reverse(),
    );
  });

  test('a refused checkpoint does not count among the kept, and is replaced when its step comes again', async (t) => {
    const { out, store } = await open(t, 2);
    await save(store, 10);
    const damaged = await save(store, 20);
    flipBit(join(damaged, 'part-0-of-2.safetensors'), 1);
    await newest(store);
    await save(store, 15, { parts: 3 });
    assert.deepEqual(listed(out), [
      'stage-01-step-00000010',
      'stage-01-step-00000015',
      'stage-01-step-00000020',
    ]);
    await save(store, 20, { parts: 1 });
    assert.deepEqual(listed(out), ['stage-01-step-00000015', 'stage-01-step-00000020']);
    assert.deepEqual(await newest(store), {
      found: { directory: damaged, step: 20, updates: 20 },
      refused: [],
    });
  });

  test('a refused checkpoint that training has passed goes, and no sound one in its stead', async (t) => {
    const { out, store } = await open(t, 2);
    await save(store, 10);
    flipBit(join(await save(store, 17), 'part-0-of-2.safetensors'), 1);
    await newest(store);
    await save(store, 20);
    assert.deepEqual(listed(out), [
      'stage-01-step-00000010',
      'stage-01-step-00000017',
      'stage-01-step-00000020',
    ]);
    await save(store, 30);
    assert.deepEqual(listed(out), ['stage-01-step-00000020', 'stage-01-step-00000030']);
  });

  test('never removes the one just written, whatever an earlier process left', async (t) => {
    const { out, store } = await open(t, 1);
    await save(new CheckpointStore(out, 1), 20);
    await save(store, 15);
    assert.ok(listed(out).includes('stage-01-step-00000015'));
    await save(store, 25);
    assert.deepEqual(listed(out), ['stage-01-step-00000025']);
  });

  test('removes what a killed process left, and nothing else', async (t) => {
    const { out, store } = await open(t);
    await store.removeLeftovers();
    assert.ok(!existsSync(join(out, 'checkpoints')));
    await save(store, 10);
    await writeParts(await store.begin({ stage: 1, step: 20 }), 2);
    await store.begin({ stage: 2, step: 1 });
    await mkdir(join(out, 'checkpoints', '.mine.tmp'));
    assert.equal(listed(out).length, 4);
    await new CheckpointStore(out, 3).removeLeftovers();
    assert.deepEqual(listed(out), ['.mine.tmp', 'stage-01-step-00000010']);
  });

  test('a coordinator killed at any moment leaves sound checkpoints only', async (t) => {
    const random = testRandom(t);
    const { out, store } = await open(t, 2);
    let lastFinished = 0;
    for (let round = 0; round < 6; round++) {
      const child = fork(new URL('./storing-program.js', import.meta.url), [out, String(lastFinished + 1)]);
      t.after(() => child.kill('SIGKILL'));
      const exited = once(child, 'exit');
      const [messages, microseconds] = random.integers(2, 1000);
      let heard = 0;
      child.on('message', (message) => {
        const finished = /^finished (\d+)$/.exec(message as string);
        if (finished !== null) lastFinished = Number(finished[1]);
        if (++heard === 1 + (messages! % 20))
          void delay(microseconds! / 250).then(() => child.kill('SIGKILL'));
      });
      const [code, signal] = (await exited) as [number | null, string | null];
      assert.deepEqual([code, signal], [null, 'SIGKILL']);
      const { found, refused } = await newest(store);
      assert.deepEqual(refused, []);
      assert.ok((found?.step ?? 0) >= lastFinished, `${found?.step} after ${lastFinished}`);
      lastFinished = found?.step ?? 0;
    }
    await store.removeLeftovers();
    await save(store, lastFinished + 1);
    assert.equal(listed(out).length, Math.min(2, lastFinished + 1));
  });

  test('a full disk is an error that says so, and leaves nothing half-written', async (t) => {
    const disk = smallDisk(t, 2 ** 20);
    if (disk === null) return;
    const store = new CheckpointStore(disk, 2);
    const sound = await save(store, 10);
    const begun = await store.begin({ stage: 1, step: 20 });
    const parts = await writeParts(begun, 2);
    await assert.rejects(writeFile(join(disk, 'filler'), Buffer.alloc(2 ** 20)), /ENOSPC/);
    await assert.rejects(
      store.finish(begun, { stage: 1, step: 20, updates: 20, parts }),
      runError(/stage-01-step-00000020: cannot be written \(ENOSPC: no space left on device/),
    );
    assert.deepEqual(listed(disk), ['stage-01-step-00000010']);
    assert.equal((await newest(store)).found?.directory, sound);
  });

  test('says where it cannot write', async (t) => {
    const { out, store } = await open(t);
    await writeFile(join(out, 'checkpoints'), 'in the way');
    await assert.rejects(
      store.begin({ stage: 1, step: 1 }),
      runError(/checkpoints\/stage-01-step-00000001: cannot be written \(E/),
    );
    await assert.rejects(newest(store), runError(/checkpoints: cannot be listed/));
  });
});
