import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { remotesOf } from '../../../../coordinator/sources/open-remote.js';
import { openS3, S3Remote } from '../../../../coordinator/sources/s3.js';
import { TransientError, type RemoteFile, type SourceKind } from '../../../../coordinator/sources/remote.js';
import { SourceStore } from '../../../../coordinator/sources/source-store.js';
import { parseSource, renderSource, type S3Source } from '../../../../lib/config/source.js';
import { ConfigError } from '../../../../lib/errors.js';
import { FakeS3 } from '../../../support/fake-s3.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

const never = new AbortController().signal;

async function startS3(t: TestContext) {
  const s3 = await FakeS3.start(t);
  s3.objects.set('bucket/models/tiny/config.json', Buffer.from('{}'));
  s3.objects.set('bucket/models/tiny/model.safetensors', Buffer.from('weights'));
  s3.objects.set('bucket/models/tiny/tokenizer.json', Buffer.from('{"a":1}'));
  s3.objects.set('bucket/models/tiny/log.bin', Buffer.from('no part of it'));
  s3.objects.set('bucket/models/tiny/old/config.json', Buffer.from('{}'));
  s3.objects.set('bucket/rows.jsonl', Buffer.from('rows'));
  // The client reads its endpoint and credentials from the process's environment.
  const before = { ...process.env };
  Object.assign(process.env, s3.environment);
  t.after(() => {
    for (const name of Object.keys(s3.environment)) Reflect.deleteProperty(process.env, name);
    Object.assign(process.env, before);
  });
  return s3;
}

function remote(text: string, kind: SourceKind = 'directory') {
  return new S3Remote(parseSource(text) as S3Source, kind, () => openS3(process.env));
}

async function bytesOf(file: RemoteFile, offset = 0): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of await file.read(offset, never)) pieces.push(piece);
  return String(Buffer.concat(pieces));
}

test('the objects directly under a prefix are a model, and an object is a file', async (t) => {
  const s3 = await startS3(t);
  const pinned = renderSource(await remote('s3://bucket/models/tiny').pin(never));
  assert.match(pinned, /^s3:\/\/bucket\/models\/tiny@etags-[0-9a-f]{64}$/);
  const files = await remote(pinned).list(never);
  assert.deepEqual(
    files.map(({ name, size }) => [name, size]),
    [
      ['config.json', 2],
      ['model.safetensors', 7],
      ['tokenizer.json', 7],
    ],
  );
  assert.equal(await bytesOf(files[1]!), 'weights');
  assert.equal(await bytesOf(files[1]!, 3), 'ghts');
  assert.deepEqual(s3.ranges, ['bytes=3-']);
  const rows = renderSource(await remote('s3://bucket/rows.jsonl', 'file').pin(never));
  const [file] = await remote(rows, 'file').list(never);
  assert.deepEqual([file!.name, await bytesOf(file!)], ['rows.jsonl', 'rows']);
});

test('objects that have changed are not those of the run, whenever that is seen', async (t) => {
  const s3 = await startS3(t);
  const pinned = renderSource(await remote('s3://bucket/rows.jsonl', 'file').pin(never));
  const [file] = await remote(pinned, 'file').list(never);
  s3.objects.set('bucket/rows.jsonl', Buffer.from('other'));
  const changed = (error: unknown) =>
    error instanceof ConfigError && /no longer those that the run was submitted with/.test(error.message);
  await assert.rejects(bytesOf(file!), changed);
  await assert.rejects(remote(pinned, 'file').list(never), changed);
});

test('what cannot be had is told in one line without the key', async (t) => {
  const s3 = await startS3(t);
  const fails = (message: RegExp, text = 's3://bucket/none.jsonl', kind: SourceKind = 'file') =>
    assert.rejects(
      remote(text, kind).pin(never),
      (error) => error instanceof Error && message.test(error.message) && !/a-secret-key/.test(error.message),
    );
  await fails(/^s3:\/\/bucket\/none\.jsonl: there is no such bucket or object \(404\)$/);
  await fails(/no files of a model directly under it/, 's3://bucket/nothing', 'directory');
  s3.status = 403;
  await fails(/refused \(403\): the AWS credentials may not read it/);
  s3.status = null;
  const [file] = await remote(
    renderSource(await remote('s3://bucket/rows.jsonl', 'file').pin(never)),
    'file',
  ).list(never);
  s3.cuts.add(2);
  await assert.rejects(bytesOf(file!), TransientError);
});

test('an object that breaks off goes on where it was', async (t) => {
  const s3 = await startS3(t);
  const rows = Buffer.alloc(100_000, 'rows');
  s3.objects.set('bucket/rows.jsonl', rows);
  s3.cuts.add(40_000);
  const store = new SourceStore(await temporaryDirectory(t), remotesOf(process.env), { retryDelayMs: 1 });
  const source = await store.pin(parseSource('s3://bucket/rows.jsonl')!, 'file', never);
  const place = await store.fetch(source, 'file', { signal: never });
  assert.ok(readFileSync(place).equals(rows));
  assert.deepEqual(s3.ranges, ['bytes=40000-']);
});
