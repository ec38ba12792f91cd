import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withHugePages } from '../../../../lib/process/huge-pages.js';

test('the allocator is asked for huge pages beside what else is set, unless somebody chose', () => {
  const settingsOf = (tunables: string) => withHugePages(tunables).GLIBC_TUNABLES;
  assert.equal(settingsOf(''), 'glibc.malloc.hugetlb=1');
  assert.equal(settingsOf('glibc.malloc.check=1'), 'glibc.malloc.check=1:glibc.malloc.hugetlb=1');
  const chosen = 'glibc.malloc.check=1:glibc.malloc.hugetlb=0';
  assert.equal(settingsOf(chosen), chosen);
});
