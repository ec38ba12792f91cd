import assert from 'node:assert/strict';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { cacheRoot } from '../../../lib/cache-root.js';

test('the cache is PROSPECT_CACHE, else below XDG_CACHE_HOME, else below ~/.cache', () => {
  assert.equal(cacheRoot({ PROSPECT_CACHE: '/a', XDG_CACHE_HOME: '/b', HOME: '/c' }), '/a');
  assert.equal(cacheRoot({ PROSPECT_CACHE: '', XDG_CACHE_HOME: '/b', HOME: '/c' }), '/b/prospect');
  assert.equal(cacheRoot({ XDG_CACHE_HOME: '', HOME: '/c' }), '/c/.cache/prospect');
  assert.equal(cacheRoot({}), join(homedir(), '.cache', 'prospect'));
});
