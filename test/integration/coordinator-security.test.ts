import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { credentials, status, type ChannelCredentials, type Client, type ServiceError } from '@grpc/grpc-js';
import fc from 'fast-check';
import type { SecurityOptions } from '../../coordinator/security/options.js';
import { credentialsOf } from '../../deploy/cli/remote/access.js';
import { channelCredentials } from '../../lib/security/channel-credentials.js';
import { callUnary, connect, openServerStream } from '../../proto/calls.js';
import { servingStatus } from '../../proto/health.js';
import { runService, uploadService } from '../../proto/services.js';
import { CoordinatorLink } from '../../worker/trainer/coordinator-link.js';
import { Authority } from '../support/certificates.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import {
  eightRows,
  runFileOf,
  runToEnd,
  startTestCoordinator,
  writeRows,
  type TestCoordinator,
} from './coordinator-doubles/test-coordinator.js';
import { startProspect } from './prospect.js';

const domain = 'prospect.test.svc';
const tokens = { submit: 'a-token-to-submit', read: 'a-token-to-read' };

type Call = (client: Client) => Promise<unknown>;

const listRuns: Call = (client) => callUnary(client, runService.listRuns, {});
const getCoordinator: Call = (client) => callUnary(client, runService.getCoordinator, {});
const cancelRun: Call = (client) => callUnary(client, runService.cancelRun, { runId: 'none' });
const submitRun: Call = (client) => callUnary(client, runService.submitRun, {});
const findUploads: Call = (client) => callUnary(client, uploadService.findUploads, { uploads: [] });
const watchRun: Call = async (client) => {
  const events = openServerStream(client, runService.watchRun, { runId: 'none' });
  for await (const event of events) assert.ok(event);
};

/** A coordinator with certificates of an authority of its own, and tokens. */
class Guarded {
  private constructor(
    readonly test: TestCoordinator,
    readonly authority: Authority,
    readonly tokensFile: string,
  ) {}

  static async start(t: TestContext, options: Pick<SecurityOptions, 'callRate'> = {}): Promise<Guarded> {
    const dir = await temporaryDirectory(t);
    const authority = new Authority(join(dir, 'authority'));
    const tokensFile = join(dir, 'tokens.json');
    writeTokens(tokensFile, tokens);
    const security: SecurityOptions = {
      tls: issueServer(authority),
      identityDomain: domain,
      tokens: { listen: '127.0.0.1:0', file: tokensFile },
      localWorkers: true,
      lookIntervalMs: 20,
      ...options,
    };
    const submitter = authority.issue('submitter', { names: [`DNS:submit.${domain}`] });
    const settings = { dir, security, healthListen: '127.0.0.1:0' };
    const clientCredentials = channelCredentials(submitter);
    return new Guarded(
      await startTestCoordinator(t, {}, { ...settings, clientCredentials }),
      authority,
      tokensFile,
    );
  }

  get coordinator() {
    return this.test.coordinator;
  }

  /** A certificate of this authority with one DNS name. */
  certificate(dnsName: string): ChannelCredentials {
    return channelCredentials(this.authority.issue('someone', { names: [`DNS:${dnsName}`] }));
  }

  /** How a call ends that is made with a certificate. */
  async byCertificate(channel: ChannelCredentials, call: Call): Promise<string> {
    return codeOf(this.coordinator.address, channel, call);
  }

  /** How a call ends that is made with a token, or without one. */
  async byToken(token: string | null, call: Call): Promise<string> {
    const env = token === null ? {} : { PROSPECT_TOKEN: token };
    const access = { https: true, tlsCa: this.authority.caFile };
    return codeOf(this.coordinator.tokenAddress!, credentialsOf(access, env), call);
  }

  async refused(reason: string): Promise<number> {
    const response = await fetch(`http://${this.coordinator.metricsAddress!}/metrics`);
    const line = new RegExp(`^prospect_refused_calls_total{reason="${reason}"} (\\d+)$`, 'm');
    return Number(line.exec(await response.text())![1]);
  }
}

function issueServer(authority: Authority) {
  return authority.issue('coordinator', {
    names: ['DNS:localhost', 'IP:127.0.0.1', `DNS:coordinator.${domain}`],
    usage: 'serverAuth',
  });
}

function writeTokens(file: string, byRole: Readonly<Record<string, string>>): void {
  const list = Object.entries(byRole).map(([role, token]) => ({
    name: `someone-to-${role}`,
    role,
    sha256: createHash('sha256').update(token).digest('hex'),
  }));
  writeFileSync(file, JSON.stringify(list));
}

async function codeOf(address: string, channel: ChannelCredentials, call: Call): Promise<string> {
  const client = connect(address, channel);
  try {
    await call(client);
    return 'OK';
  } catch (error) {
    return status[(error as ServiceError).code];
  } finally {
    client.close();
  }
}

/** Calls again until it ends so. */
async function untilEndsAs(code: string, call: () => Promise<string>): Promise<void> {
  for (let tries = 0; (await call()) !== code; tries++) assert.ok(tries < 1_000, `not ${code}`);
}

describe('who calls is told by the certificate', () => {
  const allowed: Readonly<Record<'submit' | 'read' | 'worker', readonly Call[]>> = {
    submit: [listRuns, watchRun, getCoordinator, cancelRun, submitRun, findUploads],
    read: [listRuns, watchRun, getCoordinator],
    worker: [],
  };
  for (const [role, calls] of Object.entries(allowed)) {
    test(`${role} may call what the role is for, and nothing else`, async (t) => {
      const guarded = await Guarded.start(t);
      const certificate = guarded.certificate(`${role}.${domain}`);
      let refusals = 0;
      for (const call of allowed.submit) {
        const code = await guarded.byCertificate(certificate, call);
        // What the handlers say of these requests, who let them through.
        if (calls.includes(call)) assert.match(code, /^(OK|NOT_FOUND|INVALID_ARGUMENT)$/);
        else {
          assert.equal(code, 'PERMISSION_DENIED');
          refusals += 1;
        }
      }
      assert.equal(await guarded.refused('role'), refusals);
    });
  }

  test('a worker joins, a submitter does not', async (t) => {
    const guarded = await Guarded.start(t);
    const linkWith = (role: string) => {
      const channel = guarded.certificate(`${role}.${domain}`);
      const link = new CoordinatorLink(guarded.coordinator.address, () => channel, 60_000);
      t.after(() => link.close());
      return link;
    };
    const worker = linkWith('worker');
    await worker.join({ runId: 'run-none' });
    // No run waits for it: it may try again.
    assert.equal((await worker.orders.next()).kind, 'disconnected');
    const submitter = linkWith('submit');
    await submitter.join({ runId: 'run-none' });
    await assert.rejects(submitter.orders.next(), /refused this worker: submit\..* may not call Join/);
  });

  test('the coordinator itself may do nothing, and a name of another domain is nobody', async (t) => {
    const guarded = await Guarded.start(t);
    const ofCoordinator = guarded.certificate(`coordinator.${domain}`);
    assert.equal(await guarded.byCertificate(ofCoordinator, listRuns), 'PERMISSION_DENIED');
    for (const name of ['submit.other.test.svc', `submit${domain}`, domain, 'submit']) {
      const someone = guarded.certificate(name);
      assert.equal(await guarded.byCertificate(someone, listRuns), 'UNAUTHENTICATED', name);
    }
    assert.equal(await guarded.refused('certificate'), 4);
  });

  test('nobody comes in without a certificate, or with one that is not good', async (t) => {
    const guarded = await Guarded.start(t);
    const { authority } = guarded;
    const other = new Authority(join(await temporaryDirectory(t), 'other'));
    const submit = { names: [`DNS:submit.${domain}`] };
    const strangers = {
      'plain text': credentials.createInsecure(),
      'no certificate': credentials.createSsl(readFileSync(authority.caFile)),
      'another authority': channelCredentials({ ...other.issue('submit', submit), ca: authority.caFile }),
      'an expired one': channelCredentials(authority.issue('old', { ...submit, days: -1 })),
      'one for servers': channelCredentials(authority.issue('server', { ...submit, usage: 'serverAuth' })),
    };
    for (const [who, channel] of Object.entries(strangers))
      assert.equal(await guarded.byCertificate(channel, listRuns), 'UNAVAILABLE', who);
    assert.ok((await guarded.refused('certificate')) >= Object.keys(strangers).length);
    assert.equal(await guarded.byCertificate(guarded.certificate(`read.${domain}`), listRuns), 'OK');
  });

  test('whatever comes before a handshake does no harm', async (t) => {
    const guarded = await Guarded.start(t);
    const [host, port] = guarded.coordinator.address.split(':') as [string, string];
    // Every other time it begins as a handshake does.
    const bytes = fc.tuple(fc.boolean(), fc.uint8Array({ minLength: 1, maxLength: 600 }));
    await fc.assert(
      fc.asyncProperty(bytes, async ([isRecord, garbage]) => {
        const socket = connectTcp(Number(port), host).on('error', () => undefined);
        socket.end(Buffer.concat([Buffer.from(isRecord ? '160301' : '', 'hex'), garbage]));
        await new Promise((resolve) => socket.resume().once('close', resolve));
      }),
      { numRuns: 50 },
    );
    assert.equal(await guarded.byCertificate(guarded.certificate(`read.${domain}`), listRuns), 'OK');
  });

  test('a client does not talk to a coordinator of another authority', async (t) => {
    const guarded = await Guarded.start(t);
    const other = new Authority(join(await temporaryDirectory(t), 'other'));
    const own = guarded.authority.issue('submit', { names: [`DNS:submit.${domain}`] });
    const distrusting = channelCredentials({ ...own, ca: other.caFile });
    assert.equal(await guarded.byCertificate(distrusting, listRuns), 'UNAVAILABLE');
  });

  test('certificates are read again when they change', async (t) => {
    const guarded = await Guarded.start(t);
    const next = new Authority(join(await temporaryDirectory(t), 'next'));
    const submitter = channelCredentials(next.issue('submit', { names: [`DNS:submit.${domain}`] }));
    assert.equal(await guarded.byCertificate(submitter, listRuns), 'UNAVAILABLE');
    const renewed = issueServer(next);
    const { ca, cert, key } = guarded.authority.issue('coordinator', { names: ['DNS:unused'] });
    for (const [from, to] of [
      [renewed.ca, ca],
      [renewed.cert, cert],
      [renewed.key, key],
    ] as const)
      writeFileSync(to, readFileSync(from));
    await untilEndsAs('OK', () => guarded.byCertificate(submitter, listRuns));
  });
});

describe('tokens of people', () => {
  test('open what their roles allow', async (t) => {
    const guarded = await Guarded.start(t);
    assert.equal(await guarded.byToken(tokens.submit, findUploads), 'OK');
    assert.equal(await guarded.byToken(tokens.read, listRuns), 'OK');
    assert.equal(await guarded.byToken(tokens.read, findUploads), 'PERMISSION_DENIED');
    assert.equal(await guarded.refused('role'), 1);
  });

  test('nothing opens without one, or with a wrong one', async (t) => {
    const guarded = await Guarded.start(t);
    for (const token of [null, 'another', `${tokens.read}x`, tokens.read.slice(1)])
      assert.equal(await guarded.byToken(token, listRuns), 'UNAUTHENTICATED', `${token}`);
    assert.equal(await guarded.refused('token'), 4);
  });

  test('come and go with the file', async (t) => {
    const guarded = await Guarded.start(t);
    writeTokens(guarded.tokensFile, { read: 'the-next-token' });
    await untilEndsAs('OK', () => guarded.byToken('the-next-token', listRuns));
    assert.equal(await guarded.byToken(tokens.read, listRuns), 'UNAUTHENTICATED');
    // A file that is no list changes nothing.
    writeFileSync(guarded.tokensFile, '[{"name"');
    assert.equal(await guarded.byToken('the-next-token', listRuns), 'OK');
  });

  test('are given to the command line by a file or the environment, and never in plain text', async (t) => {
    const guarded = await Guarded.start(t);
    const address = guarded.coordinator.tokenAddress!;
    const queue = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
      startProspect(['queue', '--json', ...args], env).finished;
    const ca = ['--tls-ca', guarded.authority.caFile];
    const file = join(guarded.test.dir, 'token');
    writeFileSync(file, `${tokens.read}\n`);
    const byFile = await queue(['--coordinator', address, ...ca, '--token-file', file]);
    assert.deepEqual([byFile.code, byFile.stdout], [0, '[]\n'], byFile.stderr);
    const https = `https://localhost:${address.split(':')[1]}`;
    const byEnvironment = await queue(['--coordinator', https, ...ca], { PROSPECT_TOKEN: tokens.submit });
    assert.equal(byEnvironment.code, 0, byEnvironment.stderr);
    const wrong = await queue(['--coordinator', https, ...ca], { PROSPECT_TOKEN: 'wrong' });
    assert.deepEqual([wrong.code, wrong.stdout], [1, '']);
    assert.match(wrong.stderr, /^error: nobody has this token: check .*\n$/);
    const plain = await queue(['--coordinator', address, '--token-file', file]);
    assert.equal(plain.code, 2);
    assert.match(plain.stderr, /^error: a token is sent over TLS only: .*\n$/);
  });
});

describe('health', () => {
  test('is told in plain text at its own place, which serves nothing else', async (t) => {
    const { coordinator } = await Guarded.start(t);
    const address = coordinator.healthAddress!;
    assert.equal(await servingStatus(address, credentials.createInsecure(), 10_000), 'SERVING');
    assert.equal(await codeOf(address, credentials.createInsecure(), listRuns), 'UNIMPLEMENTED');
  });

  test('is told to whoever has a certificate of any role', async (t) => {
    const guarded = await Guarded.start(t);
    const worker = guarded.certificate(`worker.${domain}`);
    assert.equal(await servingStatus(guarded.coordinator.address, worker, 10_000), 'SERVING');
  });
});

describe('workers that the coordinator starts itself', () => {
  test('train a run that was submitted over TLS, and their place serves them alone', async (t) => {
    const { test: guarded } = await Guarded.start(t);
    const train = await writeRows(guarded.dir, 'rows.jsonl', eightRows);
    const { run } = await runToEnd(guarded, runFileOf(train));
    assert.deepEqual([run.committedSteps, run.reason], [2, '']);
    const address = guarded.workersAddress;
    assert.notEqual(address, guarded.coordinator.address);
    assert.equal(await codeOf(address, credentials.createInsecure(), listRuns), 'UNIMPLEMENTED');
  });
});

describe('a client that floods', () => {
  test('is told to slow down, then cut off, and others are served', async (t) => {
    const guarded = await Guarded.start(t, { callRate: { burst: 50, perSecond: 1 } });
    const flooder = connect(guarded.coordinator.address, guarded.certificate(`read.${domain}`));
    t.after(() => flooder.close());
    const codes = new Set<status>();
    while (!codes.has(status.UNAVAILABLE)) {
      const calls = Array.from({ length: 20 }, () => getCoordinator(flooder));
      for (const result of await Promise.allSettled(calls))
        if (result.status === 'rejected') codes.add((result.reason as ServiceError).code);
    }
    assert.ok(codes.has(status.RESOURCE_EXHAUSTED));
    assert.ok((await guarded.refused('rate')) >= 100);
    assert.equal(await guarded.byCertificate(guarded.certificate(`submit.${domain}`), listRuns), 'OK');
  });

  test('with connections is turned away before it costs a handshake', async (t) => {
    const guarded = await Guarded.start(t);
    const [host, port] = guarded.coordinator.address.split(':') as [string, string];
    const sockets = Array.from({ length: 400 }, () => connectTcp(Number(port), host));
    t.after(() => sockets.forEach((socket) => socket.destroy()));
    await Promise.any(
      sockets.map((socket) => new Promise((resolve) => socket.on('error', resolve).on('close', resolve))),
    );
    assert.ok((await guarded.refused('rate')) > 0);
  });

  test('sends no message that is longer than people need', async (t) => {
    const guarded = await Guarded.start(t);
    const sha256 = '0'.repeat(64);
    const data = Buffer.alloc(9 * 2 ** 20);
    const put: Call = (client) =>
      callUnary(client, uploadService.putChunk, { upload: { sha256, size: 2 ** 30 }, offset: 0, data });
    const submitter = guarded.certificate(`submit.${domain}`);
    assert.equal(await guarded.byCertificate(submitter, put), 'RESOURCE_EXHAUSTED');
  });
});
