import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** A directory that is removed when the test ends. */
export async function temporaryDirectory(t: Pick<TestContext, 'after'>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'prospect-test-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
