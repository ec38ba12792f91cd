import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** A file system of so many bytes, gone when the test ends; skips the test where this user may not mount one. */
export function smallDisk(t: Pick<TestContext, 'after' | 'skip'>, bytes: number): string | null {
  const directory = mkdtempSync(join(tmpdir(), 'prospect-test-disk-'));
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', directory]);
  if (status !== 0) {
    rmdirSync(directory);
    t.skip(`a small disk cannot be mounted here: ${String(stderr).trim()}`);
    return null;
  }
  t.after(() => {
    spawnSync('umount', [directory]);
    rmdirSync(directory);
  });
  return directory;
}

/** Gives a disk that `smallDisk` made another size, in bytes. */
export function resizeDisk(directory: string, bytes: number): void {
  execFileSync('mount', ['-o', `remount,size=${bytes}`, directory]);
}

/** Makes a disk that `smallDisk` made read-only. */
export function makeReadOnly(directory: string): void {
  execFileSync('mount', ['-o', 'remount,ro', directory]);
}
