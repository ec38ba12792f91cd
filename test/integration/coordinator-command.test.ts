import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { status } from '@grpc/grpc-js';
import { getRun } from './coordinator-doubles/test-coordinator.js';
import { submitRun } from '../../deploy/cli/runs/run-client.js';
import { packagePath } from '../../lib/package.js';
import { spawnChild } from '../../lib/process/child.js';
import { callUnary } from '../../proto/calls.js';
import { runService, v1 } from '../../proto/services.js';
import { fixturePath } from '../parity/fixtures.js';
import { CoordinatorProcess } from '../support/coordinator-process.js';
import { RunWatch } from '../support/run-watch.js';
import { resizeDisk, smallDisk } from '../support/small-disk.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { writeTinyRun } from '../support/tiny-run.js';
import { waitUntil } from '../support/wait-until.js';
import { heldOf, localUpload, uploadFile, type LocalUpload } from '../support/upload-file.js';
import { prospect } from './prospect.js';

const page = ['--metrics-listen', '127.0.0.1:0'];
const patienceMs = 120_000;

/** `prospect coordinator`, gone when the test ends. */
async function startService(
  t: TestContext,
  args: readonly string[] = [],
  { dir, env }: { readonly dir?: string; readonly env?: Readonly<Record<string, string>> } = {},
) {
  const service = new CoordinatorProcess(dir ?? (await temporaryDirectory(t)));
  const start = () => service.start([...page, ...args], env);
  t.after(() => killIfThere(service));
  start();
  return { service, start };
}

async function killIfThere(service: CoordinatorProcess | undefined): Promise<void> {
  if (service !== undefined && service.processes().length > 0) await service.kill();
}

/** 20 MB that do not repeat. */
async function writeBigFile(t: TestContext, bytes = 20_000_000): Promise<LocalUpload> {
  const file = join(await temporaryDirectory(t), 'rows.jsonl');
  const stream = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
  writeFileSync(file, stream.update(Buffer.alloc(bytes)));
  return localUpload(file);
}

const blobOf = ({ stateDir }: CoordinatorProcess, { sha256 }: LocalUpload) =>
  readFileSync(join(stateDir, 'uploads', 'blobs', sha256));

describe('an upload', () => {
  test('goes on where it was when the coordinator is killed in the middle and started again', async (t) => {
    const { service, start } = await startService(t);
    const upload = await writeBigFile(t);
    let client = await service.client();
    await uploadFile(client, upload, { until: upload.size / 3 });
    const acknowledged = await heldOf(client, upload);
    // Killed while it takes more.
    const sending = uploadFile(client, upload).catch((error: unknown) => error);
    await service.kill();
    assert.ok((await sending) instanceof Error);

    start();
    client = await service.client();
    const held = await heldOf(client, upload);
    assert.ok(held >= acknowledged && held < upload.size, `${held} bytes of ${upload.size}`);
    assert.equal(await uploadFile(client, upload), upload.size - held);
    assert.equal(await heldOf(client, upload), upload.size);
    assert.ok(blobOf(service, upload).equals(readFileSync(upload.file)));
    assert.deepEqual(readdirSync(join(service.stateDir, 'uploads', 'incoming')), []);
  });

  test('by two clients at once arrives once, and right', async (t) => {
    const { service } = await startService(t);
    const upload = await writeBigFile(t);
    const client = await service.client();
    await Promise.all([
      uploadFile(client, upload, { chunkBytes: 2 ** 20 }),
      uploadFile(client, upload, { chunkBytes: 777_777 }),
    ]);
    assert.ok(blobOf(service, upload).equals(readFileSync(upload.file)));
    assert.equal(await uploadFile(client, upload), 0);
  });

  test('that the disk has no space for is refused in one line, and goes on once there is', async (t) => {
    const mebibyte = 2 ** 20;
    const started: CoordinatorProcess[] = [];
    // It must be gone before its disk is.
    t.after(() => killIfThere(started[0]));
    // What the coordinator keeps for itself, and half of the file.
    const dir = smallDisk(t, 74 * mebibyte);
    if (dir === null) return;
    const { service } = await startService(t, [], { dir });
    started.push(service);
    const upload = await writeBigFile(t);
    const client = await service.client();
    await assert.rejects(uploadFile(client, upload), {
      code: status.FAILED_PRECONDITION,
      details: /^the disk of .*uploads has only 6\d MiB free.*make space there and send the rest$/,
    });
    const held = await heldOf(client, upload);
    assert.ok(held > 0 && held < upload.size, `${held} bytes of ${upload.size}`);
    resizeDisk(dir, 128 * mebibyte);
    assert.equal(await uploadFile(client, upload), upload.size - held);
    assert.ok(blobOf(service, upload).equals(readFileSync(upload.file)));
  });
});

test('a run that was submitted with its files goes on when the coordinator is stopped and started again', async (t) => {
  const { service, start } = await startService(t);
  const dir = await temporaryDirectory(t);
  const { text } = writeTinyRun(dir, { method: 'kto', keys: { max_steps: 12, save_steps: 0 } });
  const client = await service.client();
  const upload = async (path: string, names: readonly string[]) => {
    const uploads = await Promise.all(names.map((name) => localUpload(join(path, name))));
    for (const each of uploads) await uploadFile(client, each);
    return { path, files: uploads.map(({ sha256 }, i) => ({ name: names[i]!, sha256 })) };
  };
  const model = fixturePath('models/llama');
  const { id: runId } = await submitRun(client, {
    runYaml: text,
    uploads: [await upload(join(dir, 'rows.jsonl'), ['']), await upload(model, readdirSync(model))],
  });
  const watch = new RunWatch(() => service.client(), runId, patienceMs);
  await watch.untilCommitted(3);
  const stopped = await service.terminate({ graceMs: 60_000 });
  assert.deepEqual(stopped, { code: 0, signal: null });
  assert.deepEqual(service.processes(), []);
  assert.ok(watch.commits.length < 12);
  assert.match(readFileSync(service.logFile, 'utf8'), /stopping: runs under way are saved/);

  start();
  const run = await watch.ended;
  assert.equal(run.state, v1.RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  assert.deepEqual(
    watch.commits.map(({ step }) => step),
    Array.from({ length: 12 }, (_, i) => i + 1),
  );
  const outputDir = join(service.stateDir, 'runs', runId);
  assert.equal(run.outputDir, outputDir);
  assert.ok(readdirSync(outputDir).includes('model'));
});

test('a path outside the shared roots is refused; a file that is not there, or cannot be read, fails its run', async (t) => {
  const root = join(await temporaryDirectory(t), 'shared');
  mkdirSync(root);
  const { service } = await startService(t, ['--shared-root', root]);
  const client = await service.client();
  const dir = await temporaryDirectory(t);
  const { text } = writeTinyRun(dir, { method: 'kto' });
  await assert.rejects(submitRun(client, { runYaml: text }), {
    name: 'ConfigError',
    message: /^model: .* is not under a shared root of the coordinator \(.*shared\); upload it/,
  });

  cpSync(fixturePath('models/llama'), join(root, 'model'), { recursive: true });
  mkdirSync(join(root, 'directory.jsonl'));
  for (const [train, reason] of [
    ['missing.jsonl', /missing\.jsonl/],
    ['directory.jsonl', /directory\.jsonl/],
  ] as const) {
    const keys = { model: join(root, 'model'), data: { train: join(root, train) } };
    const run = writeTinyRun(dir, { method: 'kto', keys });
    const { id: runId } = await submitRun(client, { runYaml: run.text });
    await new RunWatch(() => service.client(), runId, patienceMs).ended;
    const ended = await getRun(client, runId);
    assert.equal(ended.failureKind, v1.FailureKind.FAILURE_KIND_CONFIG, ended.reason ?? '');
    assert.match(ended.reason ?? '', reason);
  }
});

describe('where other machines could reach it', () => {
  const everywhere = ['--listen', '0.0.0.0:0', '--metrics-listen', '0.0.0.0:0'];
  const permitted = { env: { PROSPECT_ALLOW_PLAINTEXT: 'true' } };
  const about = async (service: CoordinatorProcess) =>
    callUnary(await service.client(), runService.getCoordinator, {});
  const get = async (address: string, path: string) => {
    const url = `http://${address.replace('0.0.0.0', '127.0.0.1')}${path}`;
    return (await fetch(url, { redirect: 'manual' })).status;
  };

  test('it does not listen, by the command or by its program, unless the network is trusted', async (t) => {
    const dir = await temporaryDirectory(t);
    const state = ['--state-dir', join(dir, 'state')];
    const { code, stdout, stderr } = await prospect(['coordinator', ...state, ...everywhere]);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /^error: --listen 0\.0\.0\.0:0: .*PROSPECT_ALLOW_PLAINTEXT=true.*\n$/);
    const programs = ['--worker-entry', 'none', '--reference-entry', 'none'];
    const program = spawnChild({
      name: 'the coordinator',
      entry: packagePath('dist/coordinator/main.js'),
      args: [...state, ...everywhere, ...programs],
      stdio: 'ignore',
    });
    await assert.rejects(program.ready, { name: 'ConfigError', message: /PROSPECT_ALLOW_PLAINTEXT=true/ });
    assert.deepEqual(readdirSync(dir), []);
  });

  test('the page is closed without a token, and metrics are not', async (t) => {
    const { service } = await startService(t, everywhere, permitted);
    assert.equal((await about(service)).pageAddress, '');
    const ready = /"metricsAddress":"([^"]+)"/.exec(readFileSync(service.logFile, 'utf8'))![1]!;
    assert.deepEqual([await get(ready, '/'), await get(ready, '/metrics')], [401, 200]);
  });

  test('the token of a file opens the page; a file that others may read is warned of', async (t) => {
    const file = join(await temporaryDirectory(t), 'token');
    writeFileSync(file, 'open-sesame-0123\n', { mode: 0o644 });
    const { service } = await startService(t, [...everywhere, '--page-token-file', file], permitted);
    const { pageAddress } = await about(service);
    assert.equal(await get(pageAddress, '/'), 401);
    assert.equal(await get(pageAddress, '/?token=open-sesame-0123'), 303);
    const log = readFileSync(service.logFile, 'utf8');
    assert.match(log, /others on this machine may read the token.*chmod 600/);
    assert.doesNotMatch(log, /open-sesame/);
  });
});

describe('bad options are refused before anything is done', () => {
  for (const [args, message] of [
    [['--shared-root', '/nowhere'], /--shared-root \/nowhere is not a directory/],
    [['--page-token-file', '/nowhere'], /the token of the page cannot be read: .*\/nowhere/],
    [['--page-token-file', '/dev/null'], /\/dev\/null holds no token/],
    [['--max-workers', '0'], /at least 1/],
    [['--listen', '7070'], /"7070" is not host:port/],
  ] as const) {
    test(args.join(' '), async (t) => {
      const dir = await temporaryDirectory(t);
      const command = ['coordinator', '--state-dir', join(dir, 'state'), ...page, ...args];
      const { code, stderr } = await prospect(command);
      assert.equal(code, 2, stderr);
      assert.match(stderr, message);
      assert.deepEqual(readdirSync(dir), []);
    });
  }
});

test('at a terminal it says where it is and what to do, and Ctrl-C ends it in order', async (t) => {
  const dir = await temporaryDirectory(t);
  const cli = packagePath('dist/deploy/cli/main.js');
  const command = `PROSPECT_PAGE_TOKEN=open-sesame-0123 ${process.execPath} ${cli} coordinator --state-dir ${dir}/state`;
  const script = spawn('script', ['-qefc', `${command} --listen 127.0.0.1:0 ${page.join(' ')}`, '/dev/null']);
  let shown = '';
  script.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text));
  const ended = once(script, 'close');
  await waitUntil(() => shown.includes('Ctrl-C stops it'), 'it is ready', patienceMs);
  const address = /listening at (127\.0\.0\.1:\d+)\r\n/.exec(shown)![1]!;
  assert.match(shown, /live page at http:\/\/127\.0\.0\.1:\d+\/, for whoever has its token\r\n/);
  assert.ok(shown.includes(`submit a run: prospect submit RUN.yaml --coordinator ${address}\r\n`), shown);
  script.stdin.write('\x03');
  assert.deepEqual(await ended, [0, null]);
  assert.match(shown, /stopping: runs under way are saved, and go on when it is started again/);
  assert.doesNotMatch(shown, /open-sesame/);
});
