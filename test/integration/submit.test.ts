import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { status, type Client } from '@grpc/grpc-js';
import { parseRunFile } from '../../lib/config/load.js';
import { packageVersion } from '../../lib/package.js';
import { callUnary } from '../../proto/calls.js';
import { runService, uploadService, v1 } from '../../proto/services.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import {
  eightRows,
  llama,
  runFileOf,
  startTestCoordinator,
  type TestCoordinator,
  watch,
  writeRows,
} from './coordinator-doubles/test-coordinator.js';

async function upload(client: Client, content: Buffer): Promise<string> {
  const sha256 = createHash('sha256').update(content).digest('hex');
  const { held } = await callUnary(client, uploadService.putChunk, {
    upload: { sha256, size: content.length },
    offset: 0,
    data: content,
  });
  assert.equal(held, content.length);
  return sha256;
}

/** Uploads a file, or the files of a directory, as a client on another machine would. */
async function uploadPath(client: Client, path: string, local: string): Promise<v1.UploadedPath.$Properties> {
  const names = existsSync(join(local, 'config.json')) ? readdirSync(local) : [''];
  const files: v1.UploadedFile.$Properties[] = [];
  for (const name of names)
    files.push({ name, sha256: await upload(client, readFileSync(join(local, name))) });
  return { path, files };
}

async function submitRun(client: Client, request: v1.SubmitRunRequest.$Properties): Promise<v1.Run> {
  const { run } = await callUnary(client, runService.submitRun, request);
  return v1.Run.create(run!);
}

/** Of a coordinator: where it keeps things, and what of it is there. */
const stateOf = ({ dir }: TestCoordinator) => join(dir, 'state');
const namesIn = (path: string) => (existsSync(path) ? readdirSync(path) : []);

async function requireNoTrace(c: TestCoordinator): Promise<void> {
  assert.deepEqual(namesIn(join(stateOf(c), 'runs')), []);
  assert.deepEqual(namesIn(join(stateOf(c), 'uploads', 'trees')), []);
  assert.deepEqual((await callUnary(c.client, runService.listRuns, {})).runs, []);
}

const shared = (...roots: string[]) => ({ paths: { kind: 'shared', roots } }) as const;

test('a run of uploaded files trains on the coordinator’s own copies, in a place that it chooses', async (t) => {
  const c = await startTestCoordinator(t, {}, shared());
  const rows = await writeRows(c.dir, 'train.jsonl', eightRows);
  const theirs = { train: '/home/them/feedback.jsonl', model: '/home/them/model' };
  const uploads = [
    await uploadPath(c.client, theirs.train, rows),
    await uploadPath(c.client, theirs.model, llama),
  ];
  const request = { runYaml: runFileOf(theirs.train, { model: theirs.model }), uploads, name: 'first try' };
  const { id, name, outputDir } = await submitRun(c.client, request);
  assert.match(id, /^run-[0-9a-f]{8}$/);
  assert.deepEqual([name, outputDir], ['first try', join(stateOf(c), 'runs', id)]);
  await watch(c.client, id);
  const ended = await callUnary(c.client, runService.getRun, { runId: id });
  assert.equal(ended.run?.state, v1.RunState.RUN_STATE_COMPLETED, ended.run?.reason ?? '');

  const text = readFileSync(join(outputDir, 'run.yaml'), 'utf8');
  const [stage] = parseRunFile(text, 'run.yaml', { baseDir: '/' }).stages;
  const trees = join(stateOf(c), 'uploads', 'trees');
  assert.ok(stage.data.train.startsWith(trees) && stage.data.train.endsWith('/feedback.jsonl'));
  assert.ok(stage.model!.startsWith(trees) && stage.model!.endsWith('/model'));
  assert.deepEqual(readFileSync(stage.data.train), readFileSync(rows));
  assert.deepEqual(readdirSync(stage.model!).sort(), readdirSync(llama).sort());

  // Once more, without a name: the same files are there, and another place is chosen.
  const again = await submitRun(c.client, { ...request, name: '' });
  assert.equal(again.name, again.id);
  assert.notEqual(again.outputDir, outputDir);
  assert.equal(readdirSync(trees).length, 2);
  await watch(c.client, again.id);
});

test('uploads and outputs go to the storage that workers see, where it is another place', async (t) => {
  const storageDir = await temporaryDirectory(t);
  const c = await startTestCoordinator(t, {}, { ...shared(storageDir), storageDir });
  const rows = await writeRows(c.dir, 'train.jsonl', eightRows);
  const theirs = { train: '/home/them/feedback.jsonl', model: '/home/them/model' };
  const uploads = [
    await uploadPath(c.client, theirs.train, rows),
    await uploadPath(c.client, theirs.model, llama),
  ];
  const runYaml = runFileOf(theirs.train, { model: theirs.model });
  const { id, outputDir } = await submitRun(c.client, { runYaml, uploads });
  assert.equal(outputDir, join(storageDir, 'runs', id));
  await watch(c.client, id);
  assert.deepEqual(namesIn(storageDir).sort(), ['runs', 'uploads']);
  assert.deepEqual(namesIn(join(stateOf(c), 'runs')), []);
  assert.deepEqual(namesIn(join(stateOf(c), 'uploads')), []);
});

test('paths under a shared root are used in place; all others are refused by key, path and roots', async (t) => {
  const dir = await temporaryDirectory(t);
  const root = join(dir, 'shared');
  const c = await startTestCoordinator(t, {}, { ...shared(root), dir });
  const inside = await writeRows(root, 'train.jsonl', eightRows);
  const outside = await writeRows(dir, 'train.jsonl', eightRows);
  symlinkSync(outside, join(root, 'link.jsonl'));
  await cp(llama, join(root, 'model'), { recursive: true });
  const keys = { model: join(root, 'model') };

  for (const [what, request] of [
    [
      /^data\.train: "[^"]*" is not under a shared root of the coordinator \(.*shared\)/,
      { runYaml: runFileOf(outside, keys) },
    ],
    [/^data\.train: /, { runYaml: runFileOf(join(root, 'link.jsonl'), keys) }],
    [/^data\.train: /, { runYaml: runFileOf(join(root, '../train.jsonl'), keys) }],
    [/^model: /, { runYaml: runFileOf(inside) }],
    [/^adapter: /, { runYaml: runFileOf(inside, { ...keys, adapter: '/adapter' }) }],
    [/^reference: /, { runYaml: runFileOf(inside, { ...keys, reference: llama }) }],
    [/^output_dir: .*leave it out/, { runYaml: runFileOf(inside, keys), outputDir: join(dir, 'out') }],
    [/^output_dir: /, { runYaml: runFileOf(inside, keys), outputDir: join(root, '../../out') }],
  ] as const) {
    await assert.rejects(submitRun(c.client, request), { code: status.INVALID_ARGUMENT, details: what });
  }
  assert.deepEqual(namesIn(join(dir, 'out')), []);
  await requireNoTrace(c);

  const outputDir = join(root, 'out');
  const { id } = await submitRun(c.client, { runYaml: runFileOf(inside, keys), outputDir });
  await watch(c.client, id);
  const ended = await callUnary(c.client, runService.getRun, { runId: id });
  assert.equal(ended.run?.state, v1.RunState.RUN_STATE_COMPLETED, ended.run?.reason ?? '');
});

test('uploads that do not fit the run file are refused, and leave no trace', async (t) => {
  const c = await startTestCoordinator(t, {}, shared());
  const rows = await writeRows(c.dir, 'train.jsonl', eightRows);
  const train = await uploadPath(c.client, '/their/rows.jsonl', rows);
  const model = await uploadPath(c.client, '/their/model', llama);
  const runYaml = runFileOf('/their/rows.jsonl', { model: '/their/model' });
  const { INVALID_ARGUMENT, FAILED_PRECONDITION } = status;
  const missing = { path: '/their/rows.jsonl', files: [{ sha256: 'ab'.repeat(32) }] };
  const up = { name: '../../up', sha256: 'ab'.repeat(32) };
  const cases: readonly [number, RegExp, v1.UploadedPath.$Properties[]][] = [
    [INVALID_ARGUMENT, /^model: "\/their\/model" is a path of the coordinator/, [train]],
    [
      INVALID_ARGUMENT,
      /"\/their\/other" was uploaded, and the run file does not name it/,
      [train, model, { ...train, path: '/their/other' }],
    ],
    [INVALID_ARGUMENT, /uploaded twice/, [train, train, model]],
    [INVALID_ARGUMENT, /data\.train: .* must be a file/, [{ ...model, path: '/their/rows.jsonl' }, model]],
    [INVALID_ARGUMENT, /model: .* must be a directory/, [train, { ...train, path: '/their/model' }]],
    [INVALID_ARGUMENT, /"\.\.\/\.\.\/up"/, [train, { ...model, files: [up, ...model.files!] }]],
    [FAILED_PRECONDITION, /"\/their\/rows\.jsonl" .* has not been uploaded/, [missing, model]],
  ];
  for (const [code, details, uploads] of cases) {
    await assert.rejects(submitRun(c.client, { runYaml, uploads }), { code, details });
  }
  const request = { runYaml, uploads: [train, model] };
  await assert.rejects(submitRun(c.client, { ...request, name: 'two\nlines' }), { code: INVALID_ARGUMENT });
  await assert.rejects(submitRun(c.client, { ...request, name: 'x'.repeat(101) }), {
    code: INVALID_ARGUMENT,
  });
  await requireNoTrace(c);
});

test('a run that the disk does not take leaves no trace, and the directory is free again', async (t) => {
  const c = await startTestCoordinator(t);
  const rows = await writeRows(c.dir, 'train.jsonl', eightRows);
  const uploads = [await uploadPath(c.client, '/their/rows.jsonl', rows)];
  const outputDir = join(c.dir, 'new', 'out');
  // Where the trees would go is a file.
  writeFileSync(join(stateOf(c), 'uploads', 'trees'), '');
  const request = { runYaml: runFileOf('/their/rows.jsonl'), uploads, outputDir };
  await assert.rejects(submitRun(c.client, request), {
    code: status.FAILED_PRECONDITION,
    details: /"\/their\/rows\.jsonl" cannot be kept/,
  });
  assert.equal(existsSync(join(c.dir, 'new')), false);
  mkdirSync(outputDir, { recursive: true });
  await assert.rejects(submitRun(c.client, request), { code: status.FAILED_PRECONDITION });
  assert.deepEqual(readdirSync(outputDir), []);
  assert.deepEqual((await callUnary(c.client, runService.listRuns, {})).runs, []);
});

test('hostile chunks and questions are refused as bad input, and harm nobody', async (t) => {
  const c = await startTestCoordinator(t);
  const content = Buffer.from('rows');
  const sha256 = createHash('sha256').update(content).digest('hex');
  const sound = { upload: { sha256, size: 4 }, offset: 0, data: content };
  for (const request of [
    {},
    { ...sound, upload: { sha256: '../../journal.sqlite', size: 4 } },
    { ...sound, upload: { sha256, size: -4 } },
    { ...sound, upload: { sha256, size: NaN } },
    { ...sound, offset: -1 },
    { ...sound, offset: 0.5 },
    { ...sound, offset: Infinity },
    { ...sound, data: Buffer.alloc(4) },
    { ...sound, data: Buffer.alloc(5) },
    { ...sound, data: Buffer.alloc(4 * 2 ** 20 + 1) },
  ]) {
    const { INVALID_ARGUMENT: code } = status;
    await assert.rejects(callUnary(c.client, uploadService.putChunk, request), { code });
  }
  const many = Array.from({ length: 10_001 }, () => ({ sha256, size: 4 }));
  for (const uploads of [[{}], [{ sha256: 'x', size: 1 }], many]) {
    await assert.rejects(callUnary(c.client, uploadService.findUploads, { uploads }), {
      code: status.INVALID_ARGUMENT,
    });
  }
  assert.equal(await upload(c.client, content), sha256);
  const uploads = [{ sha256: 'ab'.repeat(32), size: 9 }, sound.upload];
  assert.deepEqual((await callUnary(c.client, uploadService.findUploads, { uploads })).held, [0, 4]);
});

test('a coordinator says what it is', async (t) => {
  const c = await startTestCoordinator(t, {}, shared('/data', '/models'));
  const about = await callUnary(c.client, runService.getCoordinator, {});
  assert.equal(about.version, packageVersion());
  assert.deepEqual(about.sharedRoots, ['/data', '/models']);
  assert.equal((await fetch(`http://${about.pageAddress}/`)).status, 200);
  const open = await startTestCoordinator(t);
  assert.deepEqual((await callUnary(open.client, runService.getCoordinator, {})).sharedRoots, []);
});
