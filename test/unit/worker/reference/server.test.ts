import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readBranches } from '../../../../worker/reference/server.js';

const trunk = { ids: Int32Array.of(5, 6, 7), completionStart: 2 };
const branch = { ids: Int32Array.of(5, 6, 9, 9), completionStart: 2 };
const stranger = { ids: Int32Array.of(5, 8, 9), completionStart: 2 };
const request = (branches: number) => ({ branches });

test('branches have the prompt of a sequence before them', () => {
  assert.equal(readBranches(request(0), [trunk, stranger]), 0);
  assert.equal(readBranches(request(2), [stranger, trunk, branch, branch]), 2);
  const stray = { message: 'sequence 2 has the prompt of none before it' };
  assert.throws(() => readBranches(request(2), [trunk, branch, stranger]), stray);
  const other = { ...branch, completionStart: 1 };
  assert.throws(() => readBranches(request(1), [trunk, other]), /sequence 1 has the prompt of none/);
});

test('any number of branches is either sound or refused', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      fc.integer({ min: 1, max: 4 }),
      (branches, count) => {
        const sequences = Array.from({ length: count }, () => trunk);
        if (branches < count) assert.equal(readBranches(request(branches), sequences), branches);
        else assert.throws(() => readBranches(request(branches), sequences), /branches of others/);
      },
    ),
  );
});
