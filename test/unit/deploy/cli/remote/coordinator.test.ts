import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { describe, test } from 'node:test';
import { pageLink, requireAddress, withCoordinator } from '../../../../../deploy/cli/remote/coordinator.js';
import { ConfigError, RunError } from '../../../../../lib/errors.js';
import { v1 } from '../../../../../proto/services.js';
import { FakeCoordinator } from '../../../../support/fake-coordinator.js';

test('a coordinator says what it is', async (t) => {
  const fake = await FakeCoordinator.start(t);
  fake.about = { version: '1.2.3', sharedRoots: ['/data'], maxWorkers: 4 };
  const about = await withCoordinator({ address: fake.address, flag: '' }, ({ about }) =>
    Promise.resolve(about),
  );
  assert.deepEqual([about.version, about.sharedRoots, about.maxWorkers], ['1.2.3', ['/data'], 4]);
});

test('where none answers, one line says so and what to do', async (t) => {
  const fake = await FakeCoordinator.start(t);
  const { address } = fake;
  fake.stop();
  const asking = withCoordinator({ address, flag: '' }, () => Promise.resolve());
  await assert.rejects(asking, (error: Error) => {
    assert.ok(error instanceof RunError);
    assert.match(
      error.message,
      new RegExp(`^no coordinator answers at ${address} \\(connect ECONNREFUSED ${address}\\): `),
    );
    assert.match(
      error.message,
      /prospect coordinator --state-dir DIR.*--coordinator or PROSPECT_COORDINATOR$/,
    );
    assert.doesNotMatch(error.message, /\n/);
    return true;
  });
});

test('something else that listens is no coordinator', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
  });
  t.after(() => server.close());
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
  await assert.rejects(
    withCoordinator({ address: `127.0.0.1:${port}`, flag: '' }, () => Promise.resolve()),
    /^RunError: no coordinator answers at /,
  );
});

describe('an address', () => {
  for (const good of ['127.0.0.1:7070', 'trainer.example.com:1', '[::1]:65535']) {
    test(`${good} is one`, () => assert.equal(requireAddress(good), good));
  }
  for (const bad of [
    '',
    'trainer',
    ':7070',
    'trainer:',
    'trainer:0',
    'trainer:65536',
    'trainer:x',
    'http://a',
  ]) {
    test(`"${bad}" is none`, () => assert.throws(() => requireAddress(bad), ConfigError));
  }
});

describe('the link to the live page', () => {
  const link = (address: string, pageAddress: string) =>
    pageLink({ address, about: v1.GetCoordinatorResponse.create({ pageAddress }) }, 'run-1');
  test('of a coordinator on this machine', () => {
    assert.equal(link('127.0.0.1:7070', '127.0.0.1:7071'), 'http://127.0.0.1:7071/runs/run-1');
    assert.equal(link('localhost:7070', '[::1]:7071'), 'http://[::1]:7071/runs/run-1');
  });
  test('of one elsewhere, which others may see', () => {
    assert.equal(link('trainer:7070', '10.0.0.5:7071'), 'http://10.0.0.5:7071/runs/run-1');
    assert.equal(link('trainer:7070', '0.0.0.0:7071'), 'http://trainer:7071/runs/run-1');
  });
  test('is not given where it would not lead there', () => {
    assert.equal(link('trainer:7070', '127.0.0.1:7071'), null);
    assert.equal(link('127.0.0.1:7070', ''), null);
  });
});
