import assert from 'node:assert/strict';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { makeSocketDirectory } from '../../../../coordinator/launch/socket-directory.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

test('sockets lie in the state directory, and an older coordinator’s are removed', async (t) => {
  const stateDir = await temporaryDirectory(t);
  const old = makeSocketDirectory(stateDir);
  const now = makeSocketDirectory(stateDir);
  assert.notEqual(now, old);
  assert.equal(dirname(now), stateDir);
  assert.equal((await readdir(stateDir)).length, 1);
});

test('a state directory with a long name gets its sockets where their paths fit', async (t) => {
  const stateDir = join(await temporaryDirectory(t), 'long'.repeat(30));
  await mkdir(stateDir);
  const sockets = makeSocketDirectory(stateDir);
  t.after(() => rm(sockets, { recursive: true }));
  assert.deepEqual(await readdir(stateDir), []);
  const server = createServer().listen(join(sockets, 'run-01234567-reference-9999.sock'));
  await once(server, 'listening');
  server.close();
});
