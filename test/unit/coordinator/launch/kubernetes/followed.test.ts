import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { ApiError } from '../../../../../coordinator/launch/kubernetes/api-error.js';
import { Followed } from '../../../../../coordinator/launch/kubernetes/followed.js';
import { pods, podSchema } from '../../../../../coordinator/launch/kubernetes/objects.js';
import { FakeApiServer } from '../../../../support/kubernetes/fake-api-server.js';
import { waitUntil } from '../../../../support/wait-until.js';

async function follow(t: TestContext) {
  const server = await FakeApiServer.start(t);
  const labels = { run: 'a' };
  server.put('pods', 'one', { metadata: { labels }, spec: {} });
  server.put('pods', 'stranger', { metadata: { labels: { run: 'b' } }, spec: {} });
  let failed: unknown = null;
  const selection = { resource: pods, schema: podSchema, labelSelector: 'run=a' };
  const options = { log: pino({ level: 'silent' }), pauseMs: 1, onChange: () => undefined };
  const followed = new Followed(server.api, selection, options).start((error) => (failed = error));
  t.after(() => followed.stop());
  const names = () => (followed.items ?? []).map(({ metadata }) => metadata.name).join(' ');
  const are = (expected: string) => waitUntil(() => names() === expected, `pods ${expected}, not ${names()}`);
  return { server, followed, labels, are, failure: () => failed };
}

test('what is there, what comes, and what goes', async (t) => {
  const { server, labels, are } = await follow(t);
  await are('one');
  server.put('pods', 'two', { metadata: { labels }, spec: {} });
  await are('one two');
  server.remove('pods', 'one');
  await are('two');
});

test('a watch that breaks goes on where it was', async (t) => {
  const { server, labels, are } = await follow(t);
  await are('one');
  await waitUntil(() => server.watches === 1, 'a watch');
  server.breakWatches();
  server.put('pods', 'two', { metadata: { labels }, spec: {} });
  await are('one two');
});

test('where the history is gone, what is there is listed again', async (t) => {
  const { server, labels, are } = await follow(t);
  await are('one');
  await waitUntil(() => server.watches === 1, 'a watch');
  server.breakWatches();
  server.put('pods', 'two', { metadata: { labels }, spec: {} });
  server.remove('pods', 'one');
  server.forgetHistory();
  await are('two');
});

test('a server that is away or busy is asked again; one that refuses is not', async (t) => {
  const server = await FakeApiServer.start(t);
  const answer = (status: number) => ({ status, body: { message: `status ${status}` } });
  server.failures.set('GET pods', [answer(500), answer(429), answer(401)]);
  let failed: unknown = null;
  const selection = { resource: pods, schema: podSchema, labelSelector: 'run=a' };
  const options = { log: pino({ level: 'silent' }), pauseMs: 1, onChange: () => undefined };
  const followed = new Followed(server.api, selection, options).start((error) => (failed = error));
  t.after(() => followed.stop());
  await waitUntil(() => followed.items !== null, 'the list');
  server.failures.set('GET pods', [answer(403)]);
  await waitUntil(() => server.watches === 1, 'a watch');
  server.forgetHistory();
  server.breakWatches();
  await waitUntil(() => failed !== null, 'the refusal');
  assert.ok(failed instanceof ApiError);
  assert.equal(failed.message, 'status 403');
});
