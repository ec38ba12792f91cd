import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { layOut } from '../../../../worker/parameters/layout.js';
import { FinalTensors } from '../../../../worker/reduction/final-tensors.js';

const anyLayout = fc
  .array(fc.integer({ min: 1, max: 12_000 }), { minLength: 1, maxLength: 12 })
  .map((sizes) => layOut(sizes.map((size, index) => ({ name: `t${index}`, shape: [size] }))));

describe('FinalTensors', () => {
  it('covers a range exactly when every tensor that reaches into it is final, with the gap behind it', () => {
    fc.assert(
      fc.property(anyLayout, fc.infiniteStream(fc.nat()), (layout, numbers) => {
        const below = (count: number) => numbers.next().value! % count;
        const ready = new FinalTensors(layout);
        const open = layout.tensors.map(({ offset }, index) => ({
          start: offset,
          end: layout.tensors[index + 1]?.offset ?? layout.size,
        }));
        for (;;) {
          const start = below(layout.size);
          const end = start + 1 + below(layout.size - start);
          const isFinal = open.every((tensor) => tensor.end <= start || end <= tensor.start);
          assert.equal(ready.covers({ start, end }), isFinal);
          assert.equal(ready.complete, open.length === 0);
          if (open.length === 0) break;
          const [tensor] = open.splice(below(open.length), 1);
          ready.add(tensor!.start);
        }
        assert.ok(ready.covers({ start: 0, end: layout.size }));
      }),
    );
  });

  it('tells of its growth, once for each, until told to stop', () => {
    const layout = layOut([
      { name: 'a', shape: [5] },
      { name: 'b', shape: [20] },
      { name: 'c', shape: [1] },
    ]);
    const [a, b] = layout.tensors.map(({ offset }) => offset) as [number, number];
    const ready = new FinalTensors(layout);
    let grown = 0;
    const stop = ready.onGrowth(() => grown++);
    ready.add(b);
    ready.add(b);
    assert.equal(grown, 1);
    assert.throws(() => ready.add(b + 1), /no tensor starts at/);
    ready.add(a);
    assert.equal(grown, 2);
    stop();
    ready.addAll();
    assert.equal(grown, 2);
    assert.ok(ready.complete);
  });
});
