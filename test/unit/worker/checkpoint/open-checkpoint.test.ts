import assert from 'node:assert/strict';
import { copyFile, rename, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';

import { encodeManifest } from '../../../../lib/checkpoint/manifest.js';
import { writeSafetensors, type TensorSource } from '../../../../lib/safetensors/write.js';
import { openCheckpoint } from '../../../../worker/checkpoint/open-checkpoint.js';
import { partMetadata } from '../../../../worker/checkpoint/part-format.js';
import { PartWriter } from '../../../../worker/checkpoint/part-writer.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';
import { testRandom } from '../random.js';
import { partOf, randomPlanes, type StatePlanes } from './state-planes.js';

const SIZE = 100;
const FIRST = 'part-0-of-2.safetensors';
const SECOND = 'part-1-of-2.safetensors';

/** A checkpoint of two equal parts, as a store would complete it. */
async function twoParts(t: TestContext): Promise<{ directory: string; planes: StatePlanes }> {
  const directory = await temporaryDirectory(t);
  const planes = randomPlanes(testRandom(t), SIZE);
  const writer = new PartWriter();
  for (const [file, range] of [
    [FIRST, { start: 0, end: 50 }],
    [SECOND, { start: 50, end: 100 }],
  ] as const) {
    writer.write(partOf(planes, range, join(directory, file)));
  }
  await writeManifest(directory);
  return { directory, planes };
}

/** For the files that are there, as long as they are; their checksums are the store's business. */
async function writeManifest(directory: string): Promise<void> {
  const part = async (file: string, start: number, end: number) => {
    const { size: bytes } = await stat(join(directory, file));
    return { file, start, end, bytes, sha256: '00'.repeat(32) };
  };
  const parts = [await part(FIRST, 0, 50), await part(SECOND, 50, 100)];
  const writtenAt = new Date().toISOString();
  const text = encodeManifest({ stage: 2, step: 40, updates: 39, size: SIZE, parts, writtenAt });
  await writeFile(join(directory, 'manifest.json'), text);
}

async function readAll(directory: string): Promise<Float32Array> {
  const into = new Float32Array(SIZE);
  await (await openCheckpoint(directory)).read('weights', { start: 0, end: SIZE }, [into]);
  return into;
}

describe('openCheckpoint', () => {
  test('says what it is of', async (t) => {
    const { directory } = await twoParts(t);
    const { stage, step, updates, size } = await openCheckpoint(directory);
    assert.deepEqual({ stage, step, updates, size }, { stage: 2, step: 40, updates: 39, size: SIZE });
  });

  test('reads a range across parts into views of shared and of own memory, and nothing beside them', async (t) => {
    const { directory, planes } = await twoParts(t);
    const checkpoint = await openCheckpoint(directory);
    const own = new Float32Array(12).fill(-1);
    const shared = new Float32Array(new SharedArrayBuffer(40)).fill(-1);
    await checkpoint.read('mean', { start: 45, end: 62 }, [
      own.subarray(1, 10),
      new Float32Array(0),
      shared.subarray(1, 9),
    ]);
    const bitsOf = (values: Float32Array) => new Uint32Array(values.slice().buffer);
    assert.deepEqual(bitsOf(own.subarray(1, 10)), planes.mean.slice(45, 54));
    assert.deepEqual(bitsOf(shared.subarray(1, 9)), planes.mean.slice(54, 62));
    assert.deepEqual([own[0], own[10], own[11], shared[0], shared[9]], [-1, -1, -1, -1, -1]);
  });

  test('reads only the parts that a range touches', async (t) => {
    const { directory, planes } = await twoParts(t);
    await rm(join(directory, SECOND));
    const into = new Uint32Array(50);
    const checkpoint = await openCheckpoint(directory);
    await checkpoint.read('variance', { start: 0, end: 50 }, [new Float32Array(into.buffer)]);
    assert.deepEqual(into, planes.variance.slice(0, 50));
    await checkpoint.read('variance', { start: 70, end: 70 }, []);
  });

  test('a range outside the space, or a target of another length, is a defect', async (t) => {
    const checkpoint = await openCheckpoint((await twoParts(t)).directory);
    const into = (length: number) => [new Float32Array(length)];
    await assert.rejects(checkpoint.read('weights', { start: 90, end: 101 }, into(11)), RangeError);
    await assert.rejects(checkpoint.read('weights', { start: -1, end: 1 }, into(2)), RangeError);
    await assert.rejects(checkpoint.read('weights', { start: 0, end: 10 }, into(9)), RangeError);
  });

  const metadata = partMetadata({ start: 50, end: 100 }, SIZE);
  const names = ['weights', 'adam.mean', 'adam.variance'];

  /** Another second part, which the manifest says has the length that it has. */
  const replaceSecond =
    (changed: { names?: string[]; metadata?: Record<string, string>; length?: number; dtype?: 'BF16' }) =>
    async (directory: string) => {
      const length = changed.length ?? 50;
      const tensors = (changed.names ?? names).map((name): TensorSource => ({
        name,
        shape: [length],
        values: () => new Float32Array(length),
      }));
      const options = { dtype: changed.dtype ?? 'F32', metadata: changed.metadata ?? metadata } as const;
      writeSafetensors(join(directory, SECOND), tensors, options);
      await writeManifest(directory);
    };

  const wrong: Record<string, [(directory: string) => Promise<void>, RegExp]> = {
    'is missing': [(directory) => rm(join(directory, SECOND)), /cannot be opened \(ENOENT/],
    'is cut short': [
      async (directory) => {
        const path = join(directory, SECOND);
        await truncate(path, (await stat(path)).size - 1);
      },
      /has \d+ bytes, the manifest says \d+/,
    ],
    'is cut short, as its manifest says': [
      async (directory) => {
        await truncate(join(directory, SECOND), 500);
        await writeManifest(directory);
      },
      /is cut short: 500 bytes, its header describes \d+/,
    ],
    'is no file': [
      async (directory) => {
        await rm(join(directory, SECOND));
        await symlink('/dev/zero', join(directory, SECOND));
      },
      /is not a regular file/,
    ],
    'is no safetensors file': [
      async (directory) => {
        await writeFile(join(directory, SECOND), Buffer.alloc(500, 0xff));
        await writeManifest(directory);
      },
      /claims a header of \d+ bytes/,
    ],
    'is that of another rank': [
      async (directory) => {
        await copyFile(join(directory, FIRST), join(directory, SECOND));
        await writeManifest(directory);
      },
      /has start 0, the manifest says 50/,
    ],
    'is of another space': [
      replaceSecond({ metadata: { ...metadata, size: '101' } }),
      /has size 101, the manifest says 100/,
    ],
    'is of another format': [
      replaceSecond({ metadata: { ...metadata, format: 'prospect-checkpoint-2' } }),
      /has format prospect-checkpoint-2, the manifest says prospect-checkpoint-1/,
    ],
    'says nothing of itself': [replaceSecond({ metadata: {} }), /has format none/],
    'lacks a tensor': [replaceSecond({ names: ['weights', 'adam.variance'] }), /has no tensor adam\.mean/],
    'has fewer elements': [replaceSecond({ length: 49 }), /has weights as F32 \[49\], not F32 \[50\]/],
    'has rounded elements': [replaceSecond({ dtype: 'BF16' }), /has weights as BF16 \[50\]/],
  };
  for (const [name, [damage, expected]] of Object.entries(wrong)) {
    test(`refuses a part that ${name}, by name`, async (t) => {
      const { directory } = await twoParts(t);
      await readAll(directory);
      await damage(directory);
      await assert.rejects(readAll(directory), (error: Error) => {
        assert.equal(error.name, 'RunError', String(error));
        assert.ok(error.message.startsWith(`${join(directory, SECOND)}: `), error.message);
        assert.match(error.message, expected);
        return true;
      });
    });
  }

  test('refuses a directory without a sound manifest', async (t) => {
    const { directory } = await twoParts(t);
    await truncate(join(directory, 'manifest.json'), 100);
    await assert.rejects(openCheckpoint(directory), {
      name: 'RunError',
      message: /manifest\.json: is not JSON/,
    });
    await rename(join(directory, 'manifest.json'), join(directory, 'manifest.old'));
    await assert.rejects(openCheckpoint(directory), {
      name: 'RunError',
      message: /manifest\.json: .*ENOENT/,
    });
  });
});
