import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** A disk of a few pages, until the test ends; null where this machine does not let it be mounted. */
export function mountSmallDisk(t: Pick<TestContext, 'after'>): string | null {
  const directory = mkdtempSync(join(tmpdir(), 'prospect-test-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory], { stdio: 'ignore' });
  } catch {
    rmdirSync(directory);
    return null;
  }
  t.after(() => {
    execFileSync('umount', [directory]);
    rmdirSync(directory);
  });
  return directory;
}

/** Makes a disk that `mountSmallDisk` mounted read-only. */
export function makeReadOnly(directory: string): void {
  execFileSync('mount', ['-o', 'remount,ro', directory]);
}
