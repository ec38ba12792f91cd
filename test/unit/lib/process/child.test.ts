import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ConfigError, RunError } from '../../../../lib/errors.js';
import { describeExit, spawnChild } from '../../../../lib/process/child.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

const entry = fileURLToPath(new URL('./child-program.js', import.meta.url));

function start(t: TestContext, ...args: string[]) {
  const child = spawnChild({ name: 'child', entry, args, stdio: 'ignore' });
  t.after(() => child.stop({ graceMs: 0 }));
  return child;
}

test('a child announces itself, logs to its file and stops on SIGTERM', async (t) => {
  const logFile = join(await temporaryDirectory(t), 'logs', 'child.log');
  const env = { CHILD_TEST: 'passed on' };
  const child = spawnChild({ name: 'child', entry, args: ['ready', 'one'], env, logFile });
  t.after(() => child.stop({ graceMs: 0 }));
  assert.deepEqual(await child.ready, { kind: 'ready', address: '127.0.0.1:1234' });
  assert.deepEqual(await child.stop({ graceMs: 60_000 }), { code: 0, signal: null });
  assert.equal(await readFile(logFile, 'utf8'), 'argument one, environment passed on\n');
});

test('a child that ends before it is ready says how', async (t) => {
  const child = start(t, 'exit');
  await assert.rejects(
    child.ready,
    (error) => error instanceof RunError && error.message === 'child exited with code 3 before it was ready',
  );
  assert.deepEqual(await child.exited, { code: 3, signal: null });
  assert.deepEqual(await child.stop({ graceMs: 1 }), { code: 3, signal: null });
});

test('a child that says why it cannot start is taken at its word', async (t) => {
  await assert.rejects(start(t, 'bad-input').ready, new ConfigError('model: no such directory'));
  await assert.rejects(start(t, 'out-of-luck').ready, new RunError('port taken'));
});

test('a child that ignores SIGTERM is killed', async (t) => {
  const child = start(t, 'stubborn');
  await child.ready;
  const exit = await child.stop({ graceMs: 50 });
  assert.equal(describeExit(exit), 'was killed by SIGKILL');
});

test('the lifeline alone keeps no child alive', async (t) => {
  const child = start(t, 'idle');
  assert.deepEqual(await child.exited, { code: 0, signal: null });
});

// A child inherits the standard output of its parent here, so the pipe closes only when both are gone.
const killParentOf = async (t: TestContext, behaviour: string): Promise<string> => {
  const parent = spawn(process.execPath, [entry, 'parent', behaviour], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => parent.kill('SIGKILL'));
  let output = '';
  parent.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    if (output.includes('child is ready')) parent.kill('SIGKILL');
  });
  await once(parent, 'close');
  return output;
};

test('kill -9 of the parent ends the child in order', async (t) => {
  assert.equal(await killParentOf(t, 'orderly-orphan'), 'child is ready\nparent is gone\n');
});

test('an orphan that does not end in order ends all the same', async (t) => {
  assert.equal(await killParentOf(t, 'hanging-orphan'), 'child is ready\n');
});
