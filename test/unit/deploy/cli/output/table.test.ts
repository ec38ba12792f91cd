import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTable } from '../../../../../deploy/cli/output/table.js';

test('columns are as wide as their widest cell, numbers to the right', () => {
  const lines = formatTable({
    header: ['', 'before', 'after'],
    rows: [
      ['mean reward', '0.00', '-12.34'],
      ['z0', '0.00', '1.00'],
    ],
  });
  assert.deepEqual(lines, [
    '             before   after',
    '───────────────────────────',
    'mean reward    0.00  -12.34',
    'z0             0.00    1.00',
  ]);
});
