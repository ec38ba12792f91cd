import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { readReferenceFile } from '../../../../worker/reference/reference-file.js';
import { readNotice, type WorkerNotice } from '../../../../worker/supervisor/notices.js';
import { WantedReference } from '../../../../worker/supervisor/wanted-reference.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

const model = (name: string) => ({ modelDir: `/models/${name}`, adapterDir: null });

test('notices are read, and anything else is none', () => {
  const notices: WorkerNotice[] = [
    { kind: 'step-done' },
    { kind: 'reference-wanted', stage: 1, model: model('a') },
    { kind: 'reference-wanted', stage: 7, model: { modelDir: '/m', adapterDir: '/a' } },
  ];
  for (const notice of notices) assert.deepEqual(readNotice(structuredClone(notice)), notice);
  const others = [
    { kind: 'ready', metricsAddress: '127.0.0.1:1' },
    { kind: 'reference-wanted', stage: 0, model: model('a') },
    { kind: 'reference-wanted', stage: 1 },
    { kind: 'reference-wanted', stage: 1, model: { modelDir: '/m' } },
  ];
  for (const other of others) assert.equal(readNotice(other), null, JSON.stringify(other));
  fc.assert(fc.property(fc.anything(), (message) => readNotice(message) === null));
});

test('the replica is told of the newest stage’s model, once', async (t) => {
  const file = join(await temporaryDirectory(t), 'reference.json');
  const wanted = new WantedReference(file);
  assert.equal(wanted.isWanted, false);
  assert.equal(existsSync(file), false);
  wanted.want(2, model('b'));
  assert.equal(wanted.isWanted, true);
  wanted.want(1, model('a'));
  assert.deepEqual(
    readReferenceFile(file),
    model('b'),
    'a worker that is late speaks of a stage that is over',
  );
  wanted.want(3, model('c'));
  assert.deepEqual(readReferenceFile(file), model('c'));
});

test('a replica that cannot be told is an error', async (t) => {
  const wanted = new WantedReference(join(await temporaryDirectory(t), 'missing', 'reference.json'));
  assert.throws(() => wanted.want(1, model('a')), {
    name: 'RunError',
    message: /^cannot write .*reference\.json/,
  });
  assert.equal(wanted.isWanted, false);
});
