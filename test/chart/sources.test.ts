import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { packagePath } from '../../lib/package.js';
import { missing, root, run, succeed } from './tools.js';

describe('Dockerfiles', { skip: missing('hadolint') }, () => {
  const folder = packagePath('deploy/images');
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.Dockerfile'))) {
    test(`hadolint finds nothing in ${file}`, async () => {
      await succeed('hadolint', join(folder, file));
    });
  }
});

/** The newest release, which the contract must still serve; null before the first one. */
async function newestRelease(): Promise<string | null> {
  const { exitCode, stdout } = await run(
    'git',
    '-C',
    root,
    'describe',
    '--tags',
    '--abbrev=0',
    '--match',
    'v*',
  );
  return exitCode === 0 ? stdout.trim() : null;
}

describe('the contract between processes', { skip: missing('buf') }, () => {
  test('buf lint finds nothing', async () => {
    await succeed('buf', 'lint', root);
  });

  test('it breaks no release', async (t) => {
    const release = await newestRelease();
    if (release === null) t.skip('nothing is released yet');
    else
      await succeed(
        'buf',
        'breaking',
        root,
        '--against',
        `${join(root, '.git')}#ref=${release},subdir=proto`,
      );
  });
});
