import assert from 'node:assert/strict';
import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';

import { CheckpointStore, type FinishedPart } from '../../coordinator/checkpoints/checkpoint-store.js';
import { CheckpointWriter } from '../../worker/checkpoint/checkpoint-writer.js';
import { openCheckpoint } from '../../worker/checkpoint/open-checkpoint.js';
import { PLANES } from '../../worker/checkpoint/part-format.js';
import type { Range } from '../../worker/parameters/layout.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import {
  partOf,
  randomPartition,
  randomPlanes,
  type StatePlanes,
} from '../unit/worker/checkpoint/state-planes.js';
import { testRandom, type TestRandom } from '../unit/worker/random.js';

interface Writing {
  readonly store: CheckpointStore;
  readonly writer: CheckpointWriter;
  readonly random: TestRandom;
}

async function setUp(t: TestContext): Promise<Writing> {
  const writer = new CheckpointWriter();
  t.after(() => writer.close());
  return { store: new CheckpointStore(await temporaryDirectory(t), 2), writer, random: testRandom(t) };
}

/** What the coordinator and its workers do for a checkpoint. */
async function write(
  { store, writer }: Writing,
  planes: StatePlanes,
  step: number,
  ranges: Range[],
): Promise<string> {
  const id = { stage: 1, step };
  const begun = await store.begin(id);
  const size = planes.weights.length;
  const parts = await Promise.all(
    ranges.map(async (range, rank): Promise<FinishedPart> => {
      const file = `part-${rank}-of-${ranges.length}.safetensors`;
      return { file, ...range, size, ...(await writer.write(partOf(planes, range, join(begun, file)))) };
    }),
  );
  return (await store.finish(begun, { ...id, updates: step, parts })).directory;
}

/** Reads every part of another partition, into views cut anywhere, and compares all bits. */
async function compare(
  { random }: Writing,
  directory: string,
  planes: StatePlanes,
  ranges: Range[],
): Promise<void> {
  const checkpoint = await openCheckpoint(directory);
  for (const range of ranges) {
    const length = range.end - range.start;
    for (const plane of PLANES) {
      const bits = new Uint32Array(new SharedArrayBuffer(length * 4));
      const values = new Float32Array(bits.buffer);
      const views = randomPartition(random, length, 3).map(({ start, end }) => values.subarray(start, end));
      await checkpoint.read(plane, range, views);
      assert.deepEqual(
        bits,
        planes[plane].slice(range.start, range.end),
        `${plane} of ${JSON.stringify(range)}`,
      );
    }
  }
}

describe('a checkpoint', () => {
  test('is read by any number of workers as any number wrote it', async (t) => {
    const writing = await setUp(t);
    for (let step = 1; step <= 30; step++) {
      const [size, writers, readers] = writing.random.integers(3, 5000);
      const planes = randomPlanes(writing.random, size! + 1);
      const partition = (count: number) => randomPartition(writing.random, size! + 1, 1 + (count % 5));
      const directory = await write(writing, planes, step, partition(writers!));
      const { found, refused } = await writing.store.newestSound({ stage: 1, atMostStep: step });
      assert.deepEqual([found, refused], [{ directory, step, updates: step }, []]);
      await compare(writing, directory, planes, partition(readers!));
    }
  });

  test('of parts of several pieces is read across their edges', async (t) => {
    const writing = await setUp(t);
    const size = 2_500_000;
    const planes = randomPlanes(writing.random, size);
    const directory = await write(writing, planes, 1, randomPartition(writing.random, size, 2));
    assert.equal((await writing.store.newestSound({ stage: 1, atMostStep: 1 })).found?.directory, directory);
    await compare(writing, directory, planes, [{ start: 0, end: size }]);
    await compare(writing, directory, planes, randomPartition(writing.random, size, 3));
  });

  test('whose writer is killed in the middle of a part is never complete, and goes', async (t) => {
    const { store, random } = await setUp(t);
    const planes = randomPlanes(random, 64);
    const begun = await store.begin({ stage: 1, step: 1 });
    const child = fork(new URL('./checkpoint-writing.js', import.meta.url));
    t.after(() => child.kill('SIGKILL'));
    const exited = once(child, 'exit');
    const file = 'part-0-of-1.safetensors';
    // The temporary file as a pipe: the writer waits in the middle of the part for as long as nobody reads.
    const temporary = `${file}.${child.pid}.tmp`;
    assert.equal(spawnSync('mkfifo', [join(begun, temporary)]).status, 0);
    child.send(join(begun, file));
    const reader = createReadStream(join(begun, temporary));
    const drained = once(reader, 'close');
    await once(reader, 'readable');
    child.kill('SIGKILL');
    await exited;
    reader.resume();
    await drained;
    assert.deepEqual(readdirSync(begun), [temporary]);

    const part = {
      file,
      start: 0,
      end: 64,
      size: planes.weights.length,
      bytes: 1000,
      sha256: '00'.repeat(32),
    };
    await assert.rejects(store.finish(begun, { stage: 1, step: 1, updates: 1, parts: [part] }), {
      name: 'RunError',
      message: /part-0-of-1\.safetensors: cannot be read \(ENOENT/,
    });
    assert.deepEqual(readdirSync(join(begun, '..')), []);
    assert.deepEqual(await store.newestSound({ stage: 1, atMostStep: 1 }), { found: null, refused: [] });
  });
});
