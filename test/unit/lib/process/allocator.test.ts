import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allocatorEnvironment } from '../../../../lib/process/allocator.js';

test('the allocator is asked for huge pages in one arena, beside what else is set, unless somebody chose', () => {
  const settingsOf = (chosen: string) => allocatorEnvironment(chosen).GLIBC_TUNABLES;
  const [pages, arena] = ['glibc.malloc.hugetlb=1', 'glibc.malloc.arena_max=1'];
  assert.equal(settingsOf(''), `${pages}:${arena}`);
  assert.equal(settingsOf('glibc.malloc.check=1'), `glibc.malloc.check=1:${pages}:${arena}`);
  assert.equal(settingsOf('glibc.malloc.hugetlb=0'), `glibc.malloc.hugetlb=0:${arena}`);
  assert.equal(settingsOf(`${arena}:${pages}`), `${arena}:${pages}`);
});
