import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { ConfigError } from '../../../../lib/errors.js';
import { openSafetensors } from '../../../../lib/safetensors/checkpoint.js';
import { place, rawFile, temporaryFolder } from './raw-file.js';

const folder = temporaryFolder();

const entry = (shape: unknown, dataOffsets: unknown, dtype: unknown = 'F32') => ({
  dtype,
  shape,
  data_offsets: dataOffsets,
});
const lengthOnly = (length: bigint) => {
  const bytes = Buffer.alloc(64);
  bytes.writeBigUInt64LE(length);
  return bytes;
};

function refuses(contents: Uint8Array, message: RegExp): void {
  const path = place(folder, 'hostile.safetensors', contents);
  assert.throws(
    () => openSafetensors(path),
    (error) => {
      assert.ok(error instanceof ConfigError, String(error));
      assert.ok(error.message.startsWith(`${path}: `), error.message);
      assert.match(error.message, message);
      assert.ok(!error.message.includes('\n') && error.message.length < path.length + 500, error.message);
      return true;
    },
  );
}

describe('a hostile safetensors file', () => {
  const bytes = (count: number) => new Uint8Array(count);

  it('may not be shorter than its header', () => {
    refuses(bytes(0), /is no safetensors file \(0 bytes\)/);
    refuses(bytes(7), /is no safetensors file \(7 bytes\)/);
    refuses(lengthOnly(57n), /ends inside its header/);
    refuses(lengthOnly(100_000_000n), /ends inside its header/);
    refuses(lengthOnly(100_000_001n), /claims a header of 100000001 bytes/);
    refuses(lengthOnly(2n ** 64n - 1n), /claims a header of 18446744073709551615 bytes/);
  });

  it('has a header of sound JSON', () => {
    refuses(rawFile(''), /header that is not JSON/);
    refuses(rawFile('{"a":'), /header that is not JSON/);
    refuses(rawFile('[]'), /not a JSON object/);
    refuses(rawFile('null'), /not a JSON object/);
    refuses(rawFile('\n\n}\n\u001b[31m'), /header that is not JSON/);
    refuses(rawFile('['.repeat(1_000_000)), /nested deeper than 3 levels/);
    refuses(rawFile('{"a":'.repeat(1_000_000)), /nested deeper than 3 levels/);
    refuses(
      Buffer.concat([lengthOnly(4n).subarray(0, 8), Buffer.from([0x7b, 0xff, 0xfe, 0x7d])]),
      /is not UTF-8/,
    );
  });

  it('is not made of millions of values', () => {
    refuses(rawFile(`{"w":{"shape":[${'-1,'.repeat(4_000_000)}1]}}`), /has more than 4000000 values/);
    refuses(rawFile(`{"w":{"shape":[${'-1,'.repeat(1_000_000)}1]}}`), /bad tensor "w"/);
    refuses(
      rawFile(`{"w":{"dtype":"F32","shape":[${'-1,'.repeat(1_000_000)}1],"data_offsets":[0,4]}}`),
      /shape holds other things/,
    );
    refuses(
      rawFile(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[${'-1,'.repeat(1_000_000)}1]}}`),
      /bad tensor "w": data_offsets/,
    );
  });

  it('gives no key twice', () => {
    const tensor = JSON.stringify(entry([1], [0, 4]));
    refuses(rawFile(`{"w":${tensor},"w":${tensor}}`, bytes(4)), /has the key "w" twice/);
    refuses(rawFile(`{"w":${tensor},"\\u0077":${tensor}}`, bytes(4)), /has the key "w" twice/);
    refuses(
      rawFile('{"w":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,8]}}', bytes(8)),
      /has the key "shape" twice/,
    );
  });

  it('describes each tensor completely and with whole numbers', () => {
    refuses(rawFile({ w: entry([1], [0, 4], 'F33') }, bytes(4)), /bad tensor "w": dtype/);
    refuses(rawFile({ w: entry([1], [0, 4], 'toString') }, bytes(4)), /bad tensor "w": dtype/);
    refuses(
      rawFile({ w: entry([1.5], [0, 6]) }, bytes(6)),
      /tensor "w" whose shape holds other things than whole numbers/,
    );
    refuses(
      rawFile({ w: entry([-1], [0, 4]) }, bytes(4)),
      /tensor "w" whose shape holds other things than whole numbers/,
    );
    refuses(
      rawFile({ w: entry(['1'], [0, 4]) }, bytes(4)),
      /tensor "w" whose shape holds other things than whole numbers/,
    );
    refuses(rawFile({ w: entry([1], [-4, 0]) }, bytes(4)), /bad tensor "w": data_offsets: 0/);
    refuses(rawFile({ w: entry([1], [0, 4, 8]) }, bytes(8)), /bad tensor "w": data_offsets/);
    refuses(rawFile({ w: entry([1], [0]) }, bytes(4)), /bad tensor "w": data_offsets/);
    refuses(
      rawFile('{"w":{"dtype":"F32","shape":[1e400],"data_offsets":[0,4]}}', bytes(4)),
      /shape holds other things/,
    );
    refuses(rawFile({ w: { dtype: 'F32', shape: [1] } }, bytes(4)), /bad tensor "w": data_offsets/);
    refuses(rawFile({ w: { ...entry([1], [0, 4]), strides: [1] } }, bytes(4)), /bad tensor "w".*strides/);
    refuses(rawFile({ w: 7 }), /bad tensor "w"/);
    refuses(rawFile({ w: null }), /bad tensor "w"/);
    refuses(rawFile({ [`w${'x'.repeat(10_000)}\n`]: 7 }), /bad tensor "wxxx/);
  });

  it('has shapes that fit their bytes', () => {
    refuses(rawFile({ w: entry([2], [0, 4]) }, bytes(4)), /of 4 bytes .* but F32 \[2\] takes 8/);
    refuses(rawFile({ w: entry([1], [4, 0]) }, bytes(4)), /of -4 bytes/);
    refuses(rawFile({ w: entry([1], [0, 1], 'F4') }, bytes(1)), /takes 0\.5/);
    refuses(rawFile({ w: entry([2 ** 31, 2 ** 31], [0, 4]) }, bytes(4)), /shape is too large/);
    refuses(rawFile({ w: entry(Array(200).fill(2 ** 50), [0, 4]) }, bytes(4)), /shape is too large/);
  });

  it('covers its data without gap or overlap', () => {
    refuses(rawFile({ w: entry([1], [4, 8]) }, bytes(8)), /"w" that leaves a gap/);
    refuses(rawFile({ v: entry([1], [0, 4]), w: entry([1], [8, 12]) }, bytes(12)), /"w" that leaves a gap/);
    refuses(rawFile({ v: entry([2], [0, 8]), w: entry([1], [4, 8]) }, bytes(8)), /"w" that overlaps/);
    refuses(rawFile({ v: entry([1], [0, 4]), w: entry([1], [0, 4]) }, bytes(4)), /"w" that overlaps/);
    refuses(rawFile({ w: entry([2], [0, 8]) }, bytes(7)), /is cut short/);
    refuses(rawFile({ w: entry([2], [0, 8]) }, bytes(9)), /1 bytes at its end/);
    refuses(rawFile({ w: entry([2 ** 40], [0, 2 ** 42]) }, bytes(8)), /is cut short/);
  });

  it('has metadata of texts', () => {
    refuses(rawFile({ __metadata__: { format: 1 } }), /__metadata__/);
    refuses(rawFile({ __metadata__: 'pt' }), /__metadata__/);
    refuses(rawFile({ __metadata__: null }), /__metadata__/);
    refuses(rawFile({ __metadata__: ['pt'] }), /__metadata__/);
  });

  it('is a regular file', () => {
    const directory = join(folder, 'directory.safetensors');
    mkdirSync(directory);
    const pipe = join(folder, 'pipe.safetensors');
    execFileSync('mkfifo', [pipe]);
    for (const path of [directory, pipe]) {
      assert.throws(
        () => openSafetensors(path),
        new ConfigError(`${path}: cannot be opened (is not a regular file)`),
      );
    }
  });

  it('may hold scalars, empty tensors and no tensor at all', () => {
    const sound = [
      rawFile({}),
      rawFile(`{"__metadata__":{"format":"pt"}}   `),
      rawFile({ a: entry([], [0, 4]), b: entry([0, 5], [4, 4]), c: entry([2], [4, 12]) }, bytes(12)),
      rawFile(`{"__proto__":${JSON.stringify(entry([1], [0, 4]))}}`, bytes(4)),
    ];
    for (const contents of sound) openSafetensors(place(folder, 'sound.safetensors', contents)).close();
  });
});

/** Sound files: tensors one after the other, with float values of every bit pattern. */
const soundFile = fc
  .array(
    fc.record({
      name: fc.string({ maxLength: 8 }),
      dtype: fc.constantFrom('F32', 'BF16', 'F16'),
      shape: fc.array(fc.nat({ max: 3 }), { maxLength: 3 }),
    }),
    { maxLength: 4 },
  )
  .chain((tensors) => {
    const header: Record<string, unknown> = { __proto__: null, __metadata__: { format: 'pt' } };
    let offset = 0;
    for (const { name, dtype, shape } of tensors) {
      if (name in header) continue;
      const end = offset + shape.reduce((a, b) => a * b, 1) * (dtype === 'F32' ? 4 : 2);
      header[name] = entry(shape, [offset, end], dtype);
      offset = end;
    }
    const length = offset;
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map((data) => rawFile(JSON.stringify(header), data));
  });

type Mutation = (file: Buffer) => Buffer;

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ at: fc.nat(), to: fc.nat({ max: 255 }) }).map(({ at, to }): Mutation => (file) => {
    const copy = Buffer.from(file);
    copy[at % copy.length] = to;
    return copy;
  }),
  fc.nat().map(
    (at): Mutation =>
      (file) =>
        file.subarray(0, at % (file.length + 1)),
  ),
  fc.uint8Array({ minLength: 1, maxLength: 9 }).map(
    (tail): Mutation =>
      (file) =>
        Buffer.concat([file, tail]),
  ),
  fc
    .record({ at: fc.nat(), digits: fc.constantFrom('-1', '0', '9', '1e9', '.5', '"', '{', '],[', ',') })
    .map(({ at, digits }): Mutation => (file) => {
      const headerEnd = file.length < 8 ? file.length : Math.min(file.length, 8 + file.readUInt32LE(0));
      const position = Math.min(8 + (at % Math.max(1, headerEnd - 8)), headerEnd);
      return spliceHeader(file, position, digits);
    }),
);

/** Inserts text into the header and corrects the length in front of it. */
function spliceHeader(file: Buffer, position: number, text: string): Buffer {
  if (file.length < 8) return file;
  const spliced = Buffer.concat([file.subarray(0, position), Buffer.from(text), file.subarray(position)]);
  spliced.writeUInt32LE((file.readUInt32LE(0) + text.length) >>> 0, 0);
  return spliced;
}

/** The bits of one element as the format defines them, widened by DataView and double arithmetic. */
function elementAt(view: DataView, dtype: string, position: number): number {
  if (dtype === 'F32') return view.getFloat32(position, true);
  const bits = view.getUint16(position, true);
  const [exponentBits, fractionBits] = dtype === 'F16' ? [5, 10] : [8, 7];
  const sign = bits >>> 15 ? -1 : 1;
  const exponent = (bits >>> fractionBits) & (2 ** exponentBits - 1);
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
}

/** Opens and reads everything, and compares it with a plain reading of the same bytes. */
function readsWhatStandsThere(contents: Buffer): void {
  const checkpoint = openSafetensors(place(folder, 'fuzz.safetensors', contents));
  try {
    const headerBytes = contents.readUInt32LE(0);
    const header = JSON.parse(contents.toString('utf8', 8, 8 + headerBytes)) as Record<
      string,
      { dtype: string; data_offsets: [number, number] }
    >;
    const view = new DataView(contents.buffer, contents.byteOffset + 8 + headerBytes);
    assert.equal(checkpoint.tensors.size, Object.keys(header).filter((key) => key !== '__metadata__').length);
    for (const { name, size, dtype } of checkpoint.tensors.values()) {
      const values = new Float32Array(size);
      checkpoint.read(name, values);
      const [begin, end] = header[name]!.data_offsets;
      const width = dtype === 'F32' ? 4 : 2;
      assert.equal(end - begin, size * width);
      values.forEach((value, index) => {
        const expected = elementAt(view, dtype, begin + index * width);
        assert.ok(Object.is(value, expected), `${name}[${index}]: ${value} for ${expected}`);
      });
    }
  } finally {
    checkpoint.close();
  }
}

describe('any safetensors file', () => {
  it('is read exactly', () => {
    fc.assert(fc.property(soundFile, readsWhatStandsThere), { numRuns: 200 });
  });

  it('is read exactly or refused once it is damaged', () => {
    const damaged = fc
      .tuple(soundFile, fc.array(mutation, { minLength: 1, maxLength: 3 }))
      .map(([file, mutations]) =>
        mutations.reduce((bytes, mutate) => (bytes.length ? mutate(bytes) : bytes), file),
      );
    fc.assert(
      fc.property(damaged, (contents) => {
        try {
          readsWhatStandsThere(contents);
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error;
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('is refused when it is no safetensors file at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (contents) => {
        assert.throws(() => openSafetensors(place(folder, 'noise.safetensors', contents)), ConfigError);
      }),
      { numRuns: 200 },
    );
  });
});
