import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { TestNetwork, whyNoNetworks } from '../../support/namespaces.js';

const skip = whyNoNetworks() ?? false;
const seed = 1;

/** Sends a word to an echo server, again where it is told to wait; prints what comes back, or why nothing does. */
const client = `
  const [host, port, timeoutMs] = process.argv.slice(1);
  const socket = require('net').connect({ host, port: Number(port) });
  const end = (text) => { console.log(text); process.exit(); };
  setTimeout(() => end('silence'), Number(timeoutMs));
  socket.on('error', (error) => end(error.code)).on('data', (data) => end(String(data))).write('hello');
`;

const namespacesOf = (pid: number) =>
  execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(`-${pid}-`));

describe('a network of namespaces', { skip, timeout: 60_000 }, () => {
  let network: TestNetwork;
  let server: Server;
  /** A client that was cut off never ends its own. */
  const sockets = new Set<Socket>();
  before(async () => {
    network = await TestNetwork.create(2, seed);
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).pipe(socket);
    });
    server.listen(0, network.hostAddress);
    await once(server, 'listening');
  });
  after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
    network.close();
    assert.deepEqual(namespacesOf(process.pid), []);
  });

  async function ask(node: number, timeoutMs: number): Promise<string> {
    const { namespace } = network.nodes[node]!;
    const { port } = server.address() as AddressInfo;
    const call = [process.execPath, '-e', client, network.hostAddress, `${port}`, `${timeoutMs}`];
    const { stdout } = await promisify(execFile)('ip', ['netns', 'exec', namespace, ...call]);
    return stdout.trim();
  }

  test('reaches this machine, and a machine whose cable is sound goes on while another one is cut off', async () => {
    assert.deepEqual(await Promise.all([ask(0, 20_000), ask(1, 20_000)]), ['hello', 'hello']);
    network.setWire(0, { drop: 'both' });
    assert.deepEqual(await Promise.all([ask(0, 1_000), ask(1, 20_000)]), ['silence', 'hello']);
    network.setWire(0, {});
    assert.equal(await ask(0, 20_000), 'hello');
  });

  test('carries packets one way only', async () => {
    for (const drop of ['sent', 'received'] as const) {
      network.setWire(1, { drop });
      assert.equal(await ask(1, 1_000), 'silence');
    }
    network.setWire(1, {});
  });

  test('delays packets, each way', async () => {
    network.setWire(0, { delayMs: 400 });
    // The greeting of TCP takes one round trip, and the word another one.
    assert.equal(await ask(0, 1_500), 'silence');
    assert.equal(await ask(0, 20_000), 'hello');
    network.setWire(0, {});
  });

  test('loses some packets', async () => {
    network.setWire(0, { loss: 0.2 });
    assert.equal(await ask(0, 40_000), 'hello');
    network.setWire(0, { loss: 1 });
    assert.equal(await ask(0, 1_000), 'silence');
    network.setWire(0, {});
  });

  test('tells a machine whose interface is down', async () => {
    network.setInterface(0, 'down');
    assert.equal(await ask(0, 20_000), 'ENETUNREACH');
    network.setInterface(0, 'up');
    assert.equal(await ask(0, 20_000), 'hello');
  });

  test('what a killed test has left is removed by the next one', async () => {
    const module_ = new URL('../../support/namespaces.js', import.meta.url).href;
    const killed = `
      const { TestNetwork } = await import('${module_}');
      await TestNetwork.create(1, 1);
      process.kill(process.pid, 'SIGKILL');
    `;
    const { pid, signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', killed]);
    assert.equal(signal, 'SIGKILL', stderr.toString());
    assert.equal(namespacesOf(pid).length, 2);
    (await TestNetwork.create(1, seed)).close();
    assert.deepEqual(namespacesOf(pid), []);
  });
});
