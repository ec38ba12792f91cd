import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { packagePath } from '../../lib/package.js';
import { missing, root, succeed } from './tools.js';

describe('Dockerfiles', { skip: missing('hadolint') }, () => {
  const folder = packagePath('deploy/images');
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.Dockerfile'))) {
    test(`hadolint finds nothing in ${file}`, async () => {
      await succeed('hadolint', join(folder, file));
    });
  }
});

describe('the contract between processes', { skip: missing('buf') }, () => {
  test('buf lint finds nothing', async () => {
    await succeed('buf', 'lint', root);
  });

  test('who speaks the released contract is still understood', async () => {
    await succeed('buf', 'breaking', root, '--against', packagePath('proto/released.json'));
  });
});
