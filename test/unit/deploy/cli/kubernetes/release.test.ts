import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, test, type TestContext } from 'node:test';
import { credentials } from '@grpc/grpc-js';
import { withRelease, type ReleasePlace } from '../../../../../deploy/cli/kubernetes/release.js';
import { Authority } from '../../../../support/certificates.js';
import { FakeApiServer } from '../../../../support/kubernetes/fake-api-server.js';
import { forwardPorts } from '../../../../support/kubernetes/fake-port-forward.js';
import { temporaryDirectory } from '../../../../support/temporary-directory.js';

const place: ReleasePlace = { release: 'demo', namespace: 'training', context: null, identity: null };
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

describe('a release that speaks TLS', () => {
  const notes = {
    'prospect.dev/plaintext': 'false',
    'prospect.dev/server-name': 'demo-prospect.training.svc',
    'prospect.dev/certificate-secret': 'demo-submit',
  };
  const enter = (changes: Partial<ReleasePlace> = {}) =>
    withRelease({ ...place, ...changes }, (_, entrance) => Promise.resolve(entrance));

  test('lets in with the certificate of its Secret, by the name in its own', async (t) => {
    const { server } = await makeCluster(t, notes);
    const { ca, cert, key } = new Authority(await temporaryDirectory(t)).issue('submit', {
      names: ['DNS:submit.demo-prospect.training.svc'],
    });
    const data = Object.fromEntries(
      Object.entries({ 'ca.crt': ca, 'tls.crt': cert, 'tls.key': key }).map(([name, file]) => [
        name,
        readFileSync(file).toString('base64'),
      ]),
    );
    server.put('secrets', 'demo-submit', { metadata: {}, data });
    const { port, credentials: used, serverName } = await enter();
    assert.deepEqual([port, used._isSecure(), serverName], [7070, true, 'demo-prospect.training.svc']);
  });

  test('takes a certificate or a token that is given, each at its own port', async (t) => {
    await makeCluster(t, notes);
    const given = credentials.createSsl();
    for (const [by, expected] of [
      ['certificate', 7070],
      ['token', 7443],
    ] as const) {
      const { port, credentials: used } = await enter({ identity: { by, credentials: given } });
      assert.deepEqual([port, used], [expected, given]);
    }
  });

  test('says what to give where its Secret cannot be read, or holds nothing of use', async (t) => {
    const { server } = await makeCluster(t, notes);
    const refused = {
      name: 'ConfigError',
      message: /Secret demo-submit .*: give --tls-ca with --token-file/,
    };
    await assert.rejects(enter(), refused);
    server.failures.set('GET secrets', [{ status: 403, body: { message: 'secrets is forbidden' } }]);
    await assert.rejects(enter(), refused);
    server.put('secrets', 'demo-submit', { metadata: {}, data: { 'ca.crt': 'QQ==' } });
    await assert.rejects(enter(), {
      name: 'ConfigError',
      message: /^Secret demo-submit holds no certificate/,
    });
  });
});

test('a release in plain text takes neither certificate nor token', async (t) => {
  await makeCluster(t);
  const identity = { by: 'token', credentials: credentials.createSsl() } as const;
  await assert.rejects(
    withRelease({ ...place, identity }, () => Promise.resolve()),
    {
      name: 'ConfigError',
      message: /speaks plain text/,
    },
  );
});
