import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';

import { RunError } from '../../../../lib/errors.js';
import { openSafetensors } from '../../../../lib/safetensors/checkpoint.js';
import { CheckpointWriter } from '../../../../worker/checkpoint/checkpoint-writer.js';
import { smallDisk } from '../../../support/small-disk.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';
import { testRandom } from '../random.js';
import { partOf, randomPlanes } from './state-planes.js';

const FILE = 'part-0-of-2.safetensors';

describe('CheckpointWriter', () => {
  let writer: CheckpointWriter;

  beforeEach(() => {
    writer = new CheckpointWriter();
  });
  afterEach(() => writer.close());

  test('writes a safetensors file with the planes bit for bit, and reports it as it is', async (t) => {
    const directory = await temporaryDirectory(t);
    const planes = randomPlanes(testRandom(t), 1000);
    const file = join(directory, FILE);
    const range = { start: 100, end: 777 };
    const written = await writer.write(partOf(planes, range, file));

    assert.deepEqual(readdirSync(directory), [FILE]);
    const bytes = readFileSync(file);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    assert.deepEqual(written, { bytes: bytes.length, sha256 });
    const stored = openSafetensors(file);
    t.after(() => stored.close());
    assert.deepEqual(
      [...stored.tensors.values()].map(({ name, dtype, shape }) => ({ name, dtype, shape })),
      ['weights', 'adam.mean', 'adam.variance'].map((name) => ({ name, dtype: 'F32', shape: [677] })),
    );
    for (const [name, plane] of [
      ['weights', planes.weights],
      ['adam.mean', planes.mean],
      ['adam.variance', planes.variance],
    ] as const) {
      const bits = new Uint32Array(677);
      stored.read(name, new Float32Array(bits.buffer));
      assert.deepEqual(bits, plane.subarray(100, 777), name);
    }
    const headerBytes = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerBytes)) as Record<string, unknown>;
    assert.deepEqual(header['__metadata__'], {
      format: 'prospect-checkpoint-1',
      start: '100',
      end: '777',
      size: '1000',
    });
  });

  test('writes several parts, one of them empty', async (t) => {
    const directory = await temporaryDirectory(t);
    const planes = randomPlanes(testRandom(t), 64);
    const ranges = [
      { start: 0, end: 64 },
      { start: 64, end: 64 },
    ];
    const written = await Promise.all(
      ranges.map((range, rank) =>
        writer.write(partOf(planes, range, join(directory, `part-${rank}.safetensors`))),
      ),
    );
    assert.deepEqual(readdirSync(directory).sort(), ['part-0.safetensors', 'part-1.safetensors']);
    assert.deepEqual(
      written.map(({ bytes }, rank) => bytes === statSync(join(directory, `part-${rank}.safetensors`)).size),
      [true, true],
    );
    const empty = openSafetensors(join(directory, 'part-1.safetensors'));
    t.after(() => empty.close());
    assert.deepEqual(
      [...empty.tensors.values()].map(({ shape }) => shape),
      [[0], [0], [0]],
    );
  });

  test('an error names the file, and the next part is written all the same', async (t) => {
    const directory = await temporaryDirectory(t);
    const planes = randomPlanes(testRandom(t), 16);
    const range = { start: 0, end: 16 };
    const missing = join(directory, 'abandoned', FILE);
    await assert.rejects(writer.write(partOf(planes, range, missing)), (error) => {
      assert.ok(error instanceof RunError);
      assert.ok(error.message.startsWith(`${missing}: cannot be written (ENOENT`), error.message);
      return true;
    });
    await writer.write(partOf(planes, range, join(directory, FILE)));
    assert.deepEqual(readdirSync(directory), [FILE]);
  });

  test('memory that is shorter than the range is refused, and leaves nothing behind', async (t) => {
    const directory = await temporaryDirectory(t);
    const part = partOf(randomPlanes(testRandom(t), 16), { start: 0, end: 16 }, join(directory, FILE));
    const variance = new SharedArrayBuffer(15 * 4);
    await assert.rejects(writer.write({ ...part, variance }), /length/);
    assert.deepEqual(readdirSync(directory), []);
  });

  test('a full disk is an error that says so, and leaves nothing half-written', async (t) => {
    const disk = smallDisk(t, 2 ** 20);
    if (disk === null) return;
    const planes = randomPlanes(testRandom(t), 2 ** 18);
    const file = join(disk, FILE);
    await assert.rejects(writer.write(partOf(planes, { start: 0, end: 2 ** 18 }, file)), (error) => {
      assert.ok(error instanceof RunError);
      assert.ok(error.message.startsWith(`${file}: cannot be written (ENOSPC: no space left`), error.message);
      return true;
    });
    assert.deepEqual(readdirSync(disk), []);
    await writer.write(partOf(planes, { start: 0, end: 2 ** 14 }, file));
    assert.deepEqual(readdirSync(disk), [FILE]);
  });

  test('closing gives up the part that is being written', async (t) => {
    const directory = await temporaryDirectory(t);
    const file = join(directory, FILE);
    // The temporary file as a pipe: the writer waits in the middle of the part for as long as nobody reads.
    const temporary = `${file}.${process.pid}.tmp`;
    assert.equal(spawnSync('mkfifo', [temporary]).status, 0);
    const planes = randomPlanes(testRandom(t), 2 ** 18);
    const written = writer.write(partOf(planes, { start: 0, end: 2 ** 18 }, file));
    const rejected = assert.rejects(written, (error) => {
      assert.ok(error instanceof RunError, String(error));
      assert.equal(error.message, `${file}: not written, this worker ends`);
      return true;
    });
    const reader = createReadStream(temporary);
    const drained = once(reader, 'close');
    await once(reader, 'readable');
    const closed = writer.close();
    reader.resume();
    await closed;
    await rejected;
    await drained;
    assert.deepEqual(readdirSync(directory), [`${FILE}.${process.pid}.tmp`]);
    await assert.rejects(
      writer.write(partOf(planes, { start: 0, end: 1 }, file)),
      /not written, this worker ends/,
    );
  });
});
