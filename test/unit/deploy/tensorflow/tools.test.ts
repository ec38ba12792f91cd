import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { findTools } from '../../../../deploy/tensorflow/tools.js';
import { ConfigError } from '../../../../lib/errors.js';
import { binDirectory, writeScript } from './fake-machine.js';
import { temporaryDirectory } from './temporary-directory.js';

function withMessage(message: RegExp) {
  return (error: unknown) => error instanceof ConfigError && message.test(error.message);
}

test('a machine without Python is told to install it', async (t) => {
  const PATH = binDirectory(temporaryDirectory(t), ['g++']);
  await assert.rejects(
    findTools({ PATH }),
    withMessage(/no python3 or python; .*apt-get install python3 python3-pip/),
  );
});

test('a Python without pip is told so by name', async (t) => {
  const PATH = binDirectory(temporaryDirectory(t), ['sh', 'g++']);
  writeScript(join(PATH, 'python3'), 'echo "No module named pip" >&2; exit 1');
  await assert.rejects(
    findTools({ PATH }),
    withMessage(/'python3 -m pip' fails; .*apt-get install python3-pip/),
  );
});

test('a python with pip serves where python3 has none', async (t) => {
  const PATH = binDirectory(temporaryDirectory(t), ['sh', 'g++']);
  writeScript(join(PATH, 'python3'), 'exit 1');
  writeScript(join(PATH, 'python'), 'echo pip 24.0');
  assert.deepEqual(await findTools({ PATH }), { python: 'python', compiler: 'g++' });
});

test('PROSPECT_PYTHON is taken alone', async (t) => {
  const PATH = binDirectory(temporaryDirectory(t), ['sh', 'g++']);
  writeScript(join(PATH, 'python3'), 'echo pip 24.0');
  await assert.rejects(
    findTools({ PATH, PROSPECT_PYTHON: '/nowhere/python' }),
    withMessage(/no \/nowhere\/python;/),
  );
});

test('a machine without g++ is told to install it', async (t) => {
  const PATH = binDirectory(temporaryDirectory(t), ['sh']);
  writeScript(join(PATH, 'python3'), 'echo pip 24.0');
  await assert.rejects(findTools({ PATH }), withMessage(/needs g\+\+ .*apt-get install g\+\+/));
});
