import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { ConfigError } from '../../../../lib/errors.js';
import { openCheckpoint, openSafetensors, type Checkpoint } from '../../../../lib/safetensors/checkpoint.js';
import { place, rawFile, temporaryFolder } from './raw-file.js';

const models = join(import.meta.dirname, '../../../../../test/parity/fixtures/models');
const folder = temporaryFolder();

function readAll(checkpoint: Checkpoint, name: string): Float32Array {
  const values = new Float32Array(checkpoint.tensors.get(name)!.size);
  checkpoint.read(name, values);
  return values;
}

/** First, second and last value, and the sum in float64, as NumPy gave them. */
interface Facts {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: readonly [number, number, number];
  readonly sum: number;
}

function checkFacts(checkpoint: Checkpoint, facts: readonly Facts[]): void {
  for (const { name, shape, values, sum } of facts) {
    const read = readAll(checkpoint, name);
    assert.deepEqual(checkpoint.tensors.get(name)!.shape, shape);
    assert.deepEqual([read[0], read[1], read.at(-1)], values);
    const total = read.reduce((partial, value) => partial + value, 0);
    assert.ok(Math.abs(total - sum) < 1e-9, `${name}: sum ${total} for ${sum}`);
  }
}

const parameterCount = (checkpoint: Checkpoint) =>
  [...checkpoint.tensors.values()].reduce((count, { size }) => count + size, 0);

/** A sharded model of the tensors `u` and `w` in `shard.safetensors`, with any index. */
function shardedModel(name: string, index: string | object): string {
  const directory = join(folder, name);
  mkdirSync(directory);
  const header = {
    u: { dtype: 'F32', shape: [1], data_offsets: [0, 4] },
    w: { dtype: 'F32', shape: [1], data_offsets: [4, 8] },
  };
  place(directory, 'shard.safetensors', rawFile(header, new Uint8Array(8)));
  const text = typeof index === 'string' ? index : JSON.stringify(index);
  place(directory, 'model.safetensors.index.json', text);
  return directory;
}

describe('openCheckpoint', () => {
  it('reads a single float32 file', () => {
    const checkpoint = openCheckpoint(join(models, 'llama'));
    assert.equal(checkpoint.tensors.size, 20);
    assert.equal(parameterCount(checkpoint), 32928);
    checkFacts(checkpoint, [
      {
        name: 'model.embed_tokens.weight',
        shape: [304, 32],
        values: [-0.1678752452135086, 0.18461692333221436, 0.4493033289909363],
        sum: -25.81938421043651,
      },
      {
        name: 'model.layers.1.self_attn.v_proj.weight',
        shape: [16, 32],
        values: [-0.11414720118045807, -0.16652405261993408, 0.1795792430639267],
        sum: 0.4337488900346216,
      },
      {
        name: 'model.norm.weight',
        shape: [32],
        values: [0.9018586874008179, 0.8766196966171265, 1.0013651847839355],
        sum: 32.57607823610306,
      },
    ]);
    checkpoint.close();
  });

  it('reads bfloat16 shards as float32', () => {
    const checkpoint = openCheckpoint(join(models, 'llama_bf16_sharded'));
    assert.equal(parameterCount(checkpoint), 37024);
    assert.equal(checkpoint.tensors.get('model.norm.weight')!.dtype, 'BF16');
    checkFacts(checkpoint, [
      {
        name: 'model.embed_tokens.weight',
        shape: [304, 32],
        values: [0.2294921875, 0.0810546875, 0.1923828125],
        sum: -3.5156246423721313,
      },
      {
        name: 'model.layers.1.mlp.up_proj.weight',
        shape: [64, 32],
        values: [0.2001953125, 0.240234375, -0.025390625],
        sum: -0.22113847732543945,
      },
      { name: 'model.norm.weight', shape: [32], values: [1.03125, 0.96875, 1.3359375], sum: 31.578125 },
    ]);
    checkpoint.close();
  });

  it('reads into shared memory', () => {
    for (const model of ['llama', 'llama_bf16_sharded']) {
      const checkpoint = openCheckpoint(join(models, model));
      const name = 'model.norm.weight';
      const shared = new Float32Array(new SharedArrayBuffer(4 * 40), 16, 32);
      checkpoint.read(name, shared);
      assert.deepEqual(Array.from(shared), Array.from(readAll(checkpoint, name)));
      assert.deepEqual(Array.from(new Float32Array(shared.buffer, 0, 4)), [0, 0, 0, 0]);
      checkpoint.close();
    }
  });

  it('reads tensors larger than a chunk, of each float type', () => {
    const size = 5_000_003;
    const halves = Uint16Array.from({ length: size }, (_, index) => index % 0x7c00);
    const header = (dtype: string) => ({ w: { dtype, shape: [size], data_offsets: [0, 2 * size] } });
    for (const [dtype, scale, bias] of [
      ['F16', 10, 15],
      ['BF16', 7, 127],
    ] as const) {
      const path = place(
        folder,
        `${dtype}.safetensors`,
        rawFile(header(dtype), new Uint8Array(halves.buffer)),
      );
      const checkpoint = openSafetensors(path);
      const values = readAll(checkpoint, 'w');
      for (const index of [0, 1, 2 ** 21 - 1, 2 ** 21, 2 ** 22 + 5, size - 1]) {
        const bits = halves[index]!;
        const exponent = bits >>> scale;
        const fraction = (bits % 2 ** scale) / 2 ** scale;
        const expected =
          exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias);
        assert.equal(values[index], expected, `${dtype} element ${index}`);
      }
      checkpoint.close();
    }
  });

  it('follows links, as in the cache of Hugging Face', () => {
    const directory = join(folder, 'linked');
    mkdirSync(directory);
    symlinkSync(join(models, 'llama/model.safetensors'), join(directory, 'model.safetensors'));
    const checkpoint = openCheckpoint(directory);
    assert.equal(checkpoint.tensors.size, 20);
    checkpoint.close();
  });

  it('names what a directory without weights lacks', () => {
    assert.throws(
      () => openCheckpoint(join(folder, 'nowhere')),
      new ConfigError(
        `${join(folder, 'nowhere')}: holds neither model.safetensors nor model.safetensors.index.json; ` +
          'give a Hugging Face model directory saved as safetensors',
      ),
    );
  });

  it('refuses an index that does not fit its shards', () => {
    const cases: [string, string | object, RegExp][] = [
      [
        'lacking',
        { weight_map: { w: 'shard.safetensors', v: 'shard.safetensors' } },
        /index\.json: places "v" in/,
      ],
      [
        'unnamed',
        { weight_map: { w: 'shard.safetensors' } },
        /index\.json: does not name "u", which .*shard/,
      ],
      ['gone', { weight_map: { w: 'other.safetensors' } }, /other\.safetensors: is missing/],
      [
        'outside',
        { weight_map: { w: '../linked/model.safetensors' } },
        /names "\.\.\/linked.*same directory/,
      ],
      ['absolute', { weight_map: { w: '/etc/x.safetensors' } }, /same directory/],
      ['backslash', { weight_map: { w: '..\\x.safetensors' } }, /same directory/],
      ['zero', { weight_map: { w: 'a\0.safetensors' } }, /same directory/],
      ['pickle', { weight_map: { w: 'shard.bin' } }, /same directory/],
      ['numbers', { weight_map: { w: 1 } }, /index\.json: has no weight_map/],
      ['list', [], /index\.json: has no weight_map/],
      ['twice', '{"weight_map":{"w":"shard.safetensors","w":"shard.safetensors"}}', /has the key "w" twice/],
      ['text', '{"weight_map"', /index\.json: is not JSON/],
    ];
    for (const [name, index, message] of cases) {
      const directory = shardedModel(name, index);
      assert.throws(
        () => openCheckpoint(directory),
        (error) =>
          error instanceof ConfigError && message.test(error.message) && !error.message.includes('\n'),
        name,
      );
    }
  });

  it('reports a file that shrinks while it is open', () => {
    const data = new Uint8Array(64);
    const path = place(
      folder,
      'shrinking.safetensors',
      rawFile({ w: { dtype: 'F32', shape: [16], data_offsets: [0, 64] } }, data),
    );
    const checkpoint = openSafetensors(path);
    truncateSync(path, 80);
    assert.throws(
      () => readAll(checkpoint, 'w'),
      /shrinking\.safetensors: ends at byte 80; it was cut short/,
    );
    checkpoint.close();
  });

  it('reads no whole numbers as weights, and no unknown tensor', () => {
    const path = place(
      folder,
      'ids.safetensors',
      rawFile({ ids: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } }, new Uint8Array(8)),
    );
    const checkpoint = openSafetensors(path);
    assert.throws(() => readAll(checkpoint, 'ids'), /tensor "ids" is I64; weights must be F32, BF16 or F16/);
    assert.throws(
      () => checkpoint.read('w', new Float32Array(1)),
      new ConfigError(`${path}: has no tensor "w"`),
    );
    assert.throws(() => checkpoint.read('ids', new Float32Array(2)), RangeError);
    checkpoint.close();
  });
});
