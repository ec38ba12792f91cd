import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { RunError } from '../../../../lib/errors.js';
import { openCheckpoint, openSafetensors } from '../../../../lib/safetensors/checkpoint.js';
import { writeSafetensors, type TensorSource } from '../../../../lib/safetensors/write.js';
import { temporaryFolder } from './raw-file.js';

const folder = temporaryFolder();
const llama = join(import.meta.dirname, '../../../../../test/parity/fixtures/models/llama');
const metadata = { format: 'pt' };

const source = (name: string, shape: readonly number[], values: Float32Array): TensorSource => ({
  name,
  shape,
  values: () => values,
});

function newFolder(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}

describe('writeSafetensors', () => {
  it('writes a model that was read as the same tensors, beside nothing else', () => {
    const original = openCheckpoint(llama);
    const directory = newFolder('copy');
    const sources = [...original.tensors.values()].map(({ name, shape, size }) => ({
      name,
      shape,
      values: () => {
        const values = new Float32Array(size);
        original.read(name, values);
        return values;
      },
    }));
    writeSafetensors(join(directory, 'model.safetensors'), sources, { dtype: 'F32', metadata });
    original.close();
    assert.deepEqual(readdirSync(directory), ['model.safetensors']);
    // The reference implementation wrote the original, in the same order and with the same padding.
    const [written, expected] = [directory, llama].map((at) => readFileSync(join(at, 'model.safetensors')));
    assert.ok(written!.equals(expected!));
  });

  it('reads back what it wrote, bit for bit', () => {
    const tensors = fc.uniqueArray(
      fc.record({
        name: fc.string({ unit: 'binary', maxLength: 12 }).filter((name) => name !== '__metadata__'),
        shape: fc.array(fc.nat({ max: 4 }), { maxLength: 3 }),
        seedBits: fc.uint32Array({ minLength: 1, maxLength: 64 }),
      }),
      { selector: ({ name }) => name, maxLength: 5 },
    );
    const path = join(folder, 'round-trip.safetensors');
    fc.assert(
      fc.property(tensors, (described) => {
        const sources = described.map(({ name, shape, seedBits }) => {
          const size = shape.reduce((a, b) => a * b, 1);
          const bits = Uint32Array.from({ length: size }, (_, index) => seedBits[index % seedBits.length]!);
          return source(name, shape, new Float32Array(bits.buffer));
        });
        writeSafetensors(path, sources, { dtype: 'F32', metadata });
        const headerBytes = readFileSync(path).readUInt32LE(0);
        assert.equal(headerBytes % 8, 0);
        const checkpoint = openSafetensors(path);
        assert.equal(checkpoint.tensors.size, sources.length);
        for (const written of sources) {
          const { name, shape } = written;
          const read = new Float32Array(checkpoint.tensors.get(name)!.size);
          checkpoint.read(name, read);
          assert.deepEqual(checkpoint.tensors.get(name)!.shape, shape);
          assert.ok(Buffer.from(read.buffer).equals(Buffer.from(written.values().buffer)));
        }
        checkpoint.close();
      }),
      { numRuns: 50 },
    );
  });

  it('rounds to bfloat16, across chunks and from shared memory', () => {
    const size = 2 ** 21 + 3;
    const values = new Float32Array(new SharedArrayBuffer(4 * size));
    for (let index = 0; index < size; index++) values[index] = 1 + (index % 7) * 2 ** -9;
    const path = join(folder, 'rounded.safetensors');
    writeSafetensors(path, [source('w', [size], values)], { dtype: 'BF16', metadata });
    const checkpoint = openSafetensors(path);
    assert.equal(checkpoint.tensors.get('w')!.dtype, 'BF16');
    const read = new Float32Array(size);
    checkpoint.read('w', read);
    checkpoint.close();
    // Multiples of 2^-9 above 1, where bfloat16 steps by 2^-7; 2 and 6 are ties, to 0 and to 8 (both even).
    const expected = [0, 0, 0, 4, 4, 4, 8].map((ninths) => 1 + ninths * 2 ** -9);
    for (const index of [0, 1, 2, 3, 4, 5, 6, 2 ** 21 - 1, 2 ** 21, size - 1]) {
      assert.equal(read[index], expected[index % 7], `element ${index}`);
    }
  });

  it('leaves nothing behind when the disk is full, and keeps the file that was there', () => {
    const directory = newFolder('full');
    const path = join(directory, 'model.safetensors');
    writeSafetensors(path, [source('w', [1], Float32Array.of(7))], { dtype: 'F32', metadata });
    const before = readFileSync(path);
    const writer = join(import.meta.dirname, '../../../../lib/safetensors/write.js');
    const script = `
      import { writeSafetensors } from ${JSON.stringify(writer)};
      const tensor = { name: 'w', shape: [1000000], values: () => new Float32Array(1000000) };
      try {
        writeSafetensors(${JSON.stringify(path)}, [tensor], { dtype: 'F32', metadata: {} });
      } catch (error) {
        console.log(error.name, error.message);
      }`;
    // A limit on the size of files stands in for the disk: write(2) fails after part of the data either way.
    const child = spawnSync(
      'sh',
      ['-c', 'ulimit -f 512; exec "$0" --input-type=module -e "$1"', process.execPath, script],
      {
        encoding: 'utf8',
      },
    );
    assert.match(child.stdout, /^RunError .*model\.safetensors: cannot be written \(EFBIG/, child.stderr);
    assert.deepEqual(readdirSync(directory), ['model.safetensors']);
    assert.ok(readFileSync(path).equals(before));
  });

  it('names the path and the cause of a failure', () => {
    const path = join(folder, 'no/such/model.safetensors');
    assert.throws(
      () => writeSafetensors(path, [], { dtype: 'F32', metadata }),
      (error) => error instanceof RunError && error.message.startsWith(`${path}: cannot be written (ENOENT`),
    );
  });

  it('refuses values that do not fit their shape, and a name given twice', () => {
    const directory = newFolder('unfit');
    const path = join(directory, 'model.safetensors');
    const write =
      (...sources: TensorSource[]) =>
      () =>
        writeSafetensors(path, sources, { dtype: 'F32', metadata });
    const one = source('w', [1], Float32Array.of(1));
    assert.throws(write(source('w', [2], Float32Array.of(1))), /w has 1 values, its shape says 2/);
    assert.throws(write(one, one), /two tensors are called w/);
    assert.deepEqual(readdirSync(directory), []);
  });
});
