import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FlatBuffer } from '../../../../worker/parameters/flat-buffer.js';
import { BLOCK_SIZE, layOut, ownedRange } from '../../../../worker/parameters/layout.js';

const shapes = fc.array(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 3 }), {
  minLength: 1,
  maxLength: 12,
});

test('tensors lie in name order, aligned, without overlap, each inside one segment', () => {
  fc.assert(
    fc.property(shapes, (dimensions) => {
      const specs = dimensions.map((shape, i) => ({ name: `t${(i * 7) % dimensions.length}.${i}`, shape }));
      const layout = layOut(specs);
      assert.deepEqual(layout, layOut([...specs].reverse()));
      let end = 0;
      for (const { offset, size } of layout.tensors) {
        assert.ok(offset >= end && offset % 16 === 0);
        end = offset + size;
        assert.ok(layout.segments.some((segment) => offset >= segment.start && end <= segment.end));
      }
      assert.ok(layout.size >= end && layout.size % BLOCK_SIZE === 0);
      const names = layout.tensors.map(({ name }) => name);
      assert.deepEqual(names, [...names].sort());
    }),
    { verbose: true },
  );
});

test('the parts of all ranks tile the space on the block grid', () => {
  fc.assert(
    fc.property(shapes, fc.integer({ min: 1, max: 9 }), (dimensions, worldSize) => {
      const layout = layOut(dimensions.map((shape, i) => ({ name: `t${i}`, shape })));
      let at = 0;
      for (let rank = 0; rank < worldSize; rank++) {
        const { start, end } = ownedRange(layout, rank, worldSize);
        assert.equal(start, at);
        assert.equal(end % BLOCK_SIZE, 0);
        at = end;
      }
      assert.equal(at, layout.size);
    }),
    { verbose: true },
  );
});

test('a flat buffer shares memory: a wrapped one sees what is written', () => {
  const layout = layOut([
    { name: 'b', shape: [3] },
    { name: 'a', shape: [2, 5] },
  ]);
  const buffer = FlatBuffer.allocate(layout);
  const other = FlatBuffer.wrap(layout, buffer.memory);
  const place = layout.tensors.find(({ name }) => name === 'b')!;
  buffer.tensor(place).set([1, 2, 3]);
  assert.deepEqual([...other.tensor(place)], [1, 2, 3]);
  assert.deepEqual(other.slices({ start: 4, end: 4 }), []);
});

test('tensors beyond a segment start a new one, on the block grid', () => {
  const big = 2 ** 27;
  const { segments, tensors, size } = layOut([
    { name: 'a', shape: [big] },
    { name: 'b', shape: [big + 5] },
    { name: 'c', shape: [7] },
  ]);
  assert.equal(segments.length, 2);
  assert.equal(segments[0]!.end, segments[1]!.start);
  assert.equal(tensors[1]!.offset, segments[1]!.start);
  assert.equal(segments[1]!.end, size);
});
