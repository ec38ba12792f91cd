import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeNonFinite, nonFiniteError } from '../../../../coordinator/runs/non-finite.js';

test('rows are counted from 1, as people count them, and many are cut short', () => {
  const what = 'the gradient of lm_head.weight';
  const text = (rows: number[]) => describeNonFinite('step 12', { what, rows });
  assert.equal(text([]), 'step 12: the gradient of lm_head.weight is not finite');
  assert.equal(text([0]), 'step 12: the gradient of lm_head.weight is not finite; it comes from data row 1');
  assert.match(text([0, 6]), /data rows 1, 7$/);
  assert.match(text(Array.from({ length: 14 }, (_, row) => row)), /data rows 1, 2, .* 10 and 4 more$/);
});

test('the error says what can be done', () => {
  assert.equal(
    nonFiniteError(2, { what: 'the loss', rows: [4] }).message,
    'step 2: the loss is not finite; it comes from data row 5. No weight was changed; a lower learning_rate or ' +
      'max_grad_norm may help',
  );
});
