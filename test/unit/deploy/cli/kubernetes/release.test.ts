import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { test, type TestContext } from 'node:test';
import { withRelease, type ReleasePlace } from '../../../../../deploy/cli/kubernetes/release.js';
import { FakeApiServer } from '../../../../support/kubernetes/fake-api-server.js';
import { forwardPorts } from '../../../../support/kubernetes/fake-port-forward.js';
import { temporaryDirectory } from '../../../../support/temporary-directory.js';

const place: ReleasePlace = { release: 'demo', namespace: 'training', context: null };
const labels = { 'app.kubernetes.io/instance': 'demo', 'app.kubernetes.io/component': 'coordinator' };

/** A release with a coordinator that sends back what it is sent. */
async function makeCluster(t: TestContext, annotations: Record<string, string> = {}) {
  const server = await FakeApiServer.start(t);
  server.put('services', 'demo-prospect', {
    metadata: {
      labels: {
        'app.kubernetes.io/part-of': 'prospect',
        'app.kubernetes.io/instance': 'demo',
        'app.kubernetes.io/component': 'api',
      },
      annotations: { 'prospect.dev/plaintext': 'true', ...annotations },
    },
    spec: { selector: labels, ports: [{ name: 'grpc', port: 7070 }] },
  });
  const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  t.after(() => echo.close());
  const paths: string[] = [];
  server.onUpgrade(
    forwardPorts((path) => {
      paths.push(path);
      const name = /\/pods\/([^/]+)\/portforward\?ports=7070$/.exec(path)?.[1] ?? '';
      return server.find('pods', name) === undefined ? undefined : (echo.address() as AddressInfo).port;
    }),
  );
  const directory = await temporaryDirectory(t);
  const kubeconfig = join(directory, 'kubeconfig');
  const context = { name: 'here', context: { cluster: 'here', user: 'me', namespace: 'training' } };
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      'current-context': 'here',
      contexts: [context],
      clusters: [{ name: 'here', cluster: { server: server.url, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'me', user: {} }],
    }),
  );
  process.env['KUBECONFIG'] = kubeconfig;
  const ready = { conditions: [{ type: 'Ready', status: 'True' }] };
  const start = (pod: string) => server.put('pods', pod, { metadata: { labels }, spec: {}, status: ready });
  return { server, start, paths };
}

async function sendThrough(address: string, bytes: Buffer): Promise<Buffer> {
  const socket = connect(Number(address.split(':')[1]), '127.0.0.1');
  const answer: Buffer[] = [];
  let count = 0;
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', () => resolve());
    socket.on('data', (piece: Buffer) => {
      answer.push(piece);
      count += piece.length;
      if (count >= bytes.length) socket.destroy();
    });
    socket.write(bytes);
  });
  return Buffer.concat(answer);
}

test('what goes through the port comes to the release’s pod, and back, whatever its size', async (t) => {
  const { start, paths } = await makeCluster(t);
  start('demo-prospect-coordinator-0');
  await withRelease(place, async (address) => {
    for (const size of [1, 200, 70_000, 20 * 2 ** 20]) {
      const bytes = randomBytes(size);
      assert.ok(bytes.equals(await sendThrough(address, bytes)), `${size} bytes`);
    }
  });
  assert.match(paths[0] ?? '', /^\/api\/v1\/namespaces\/training\/pods\/demo-prospect-coordinator-0\//);
});

test('without a pod that is ready a connection is closed; the next one finds the pod that is', async (t) => {
  const { server, start, paths } = await makeCluster(t);
  await withRelease({ ...place, namespace: null }, async (address) => {
    const nothing = connect(Number(address.split(':')[1]), '127.0.0.1');
    assert.equal((await buffer(nothing.on('error', () => undefined)).catch(() => Buffer.alloc(0))).length, 0);
    start('first');
    assert.equal(String(await sendThrough(address, Buffer.from('a'))), 'a');
    server.remove('pods', 'first');
    start('second');
    assert.equal(String(await sendThrough(address, Buffer.from('b'))), 'b');
  });
  assert.deepEqual(
    paths.map((path) => /pods\/([^/]+)/.exec(path)?.[1]),
    ['first', 'second'],
  );
});

test('what cannot be found is said, with what to do', async (t) => {
  const { server } = await makeCluster(t);
  const find = (changes: Partial<ReleasePlace>) =>
    withRelease({ ...place, ...changes }, () => Promise.reject(new Error('found')));
  await assert.rejects(find({ release: 'other' }), {
    name: 'ConfigError',
    message: /^there is no release other of Prospect in namespace training: name its own by --namespace/,
  });
  await assert.rejects(find({ context: 'away' }), {
    name: 'ConfigError',
    message: '--context away: the kubeconfig has here',
  });
  server.failures.set('GET services', [{ status: 403, body: { message: 'services is forbidden' } }]);
  await assert.rejects(find({}), {
    name: 'RunError',
    message: /API server does not say where the release is: services is forbidden$/,
  });
});

test('a release that speaks TLS is refused, with another way', async (t) => {
  await makeCluster(t, { 'prospect.dev/plaintext': 'false' });
  await assert.rejects(
    withRelease(place, () => Promise.resolve()),
    {
      name: 'ConfigError',
      message: /^release demo speaks TLS, .* kubectl port-forward service\/demo-prospect/,
    },
  );
});
