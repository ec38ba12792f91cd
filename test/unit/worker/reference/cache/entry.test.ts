import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import { decodeEntry, encodeEntry, entryBytes, keyOf } from '../../../../../worker/reference/cache/entry.js';
import { answeredLeaf } from './leaves.js';

const identity = 'a model on a machine';

test('answers come back bit for bit', () => {
  fc.assert(
    fc.property(answeredLeaf, ({ request, completions }) => {
      const key = keyOf(identity, request);
      const entry = encodeEntry(key, request, completions);
      assert.equal(entry.length, entryBytes(request));
      // deepStrictEqual tells 0 from -0.
      assert.deepStrictEqual(decodeEntry(entry, key, request), completions);
    }),
  );
});

test('an entry with any byte damaged, cut short or too long is none', () => {
  fc.assert(
    fc.property(answeredLeaf, fc.integer({ min: 1, max: 255 }), ({ request, completions }, flip) => {
      const key = keyOf(identity, request);
      const entry = encodeEntry(key, request, completions);
      for (let at = 0; at < entry.length; at++) {
        const damaged = Buffer.from(entry);
        damaged[at] = damaged[at]! ^ flip;
        assert.equal(decodeEntry(damaged, key, request), null, `byte ${at}`);
        assert.equal(decodeEntry(entry.subarray(0, at), key, request), null, `cut at ${at}`);
      }
      assert.equal(decodeEntry(Buffer.concat([entry, Buffer.alloc(1)]), key, request), null);
      assert.equal(decodeEntry(Buffer.alloc(entry.length), key, request), null, 'zeros');
    }),
    { numRuns: 30 },
  );
});

test('another leaf, another identity and another question have other keys', () => {
  fc.assert(
    fc.property(answeredLeaf, ({ request, completions }) => {
      const { sequences, branches, byToken } = request;
      const [first, ...rest] = sequences;
      const { ids, completionStart } = first!;
      const otherIds = Int32Array.from(ids, (id, i) => (i === 0 ? id ^ 1 : id));
      const longer = Int32Array.from([...ids, 1]);
      const others = [
        keyOf('another model', request),
        keyOf(identity, { ...request, byToken: !byToken }),
        keyOf(identity, { ...request, branches: branches + 1 }),
        keyOf(identity, { ...request, sequences: [{ ids: otherIds, completionStart }, ...rest] }),
        keyOf(identity, { ...request, sequences: [{ ids: longer, completionStart }, ...rest] }),
        keyOf(identity, { ...request, sequences: [{ ids, completionStart: completionStart + 1 }, ...rest] }),
        keyOf(identity, { ...request, sequences: [...sequences, first!] }),
      ];
      const key = keyOf(identity, request);
      const entry = encodeEntry(key, request, completions);
      assert.equal(new Set([key, ...others].map((hash) => hash.toString('hex'))).size, others.length + 1);
      for (const other of others) assert.equal(decodeEntry(entry, other, request), null);
    }),
  );
});

test('a token that moves from one sequence to the next makes another leaf', () => {
  const leaf = (...ids: number[][]) => ({
    sequences: ids.map((values) => ({ ids: Int32Array.from(values), completionStart: 1 })),
    branches: 0,
    byToken: false,
  });
  assert.notDeepEqual(keyOf(identity, leaf([1, 2, 3], [4, 5])), keyOf(identity, leaf([1, 2], [3, 4, 5])));
});
