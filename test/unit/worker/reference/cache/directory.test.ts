import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answersDirectory } from '../../../../../worker/reference/cache/directory.js';

test('answers are kept where PROSPECT_REFERENCE_CACHE says, else below the cache', () => {
  assert.equal(answersDirectory({ PROSPECT_REFERENCE_CACHE: '/a', PROSPECT_CACHE: '/b' }), '/a');
  assert.equal(answersDirectory({ PROSPECT_REFERENCE_CACHE: '', PROSPECT_CACHE: '/b' }), '/b/reference');
});
