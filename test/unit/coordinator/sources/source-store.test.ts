import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { HubRemote } from '../../../../coordinator/sources/hub.js';
import { SourceStore, type FetchProgress } from '../../../../coordinator/sources/source-store.js';
import { parseSource, type HubSource } from '../../../../lib/config/source.js';
import { ConfigError, RunError } from '../../../../lib/errors.js';
import { FakeHub } from '../../../support/fake-hub.js';
import { smallDisk } from '../../../support/small-disk.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

const never = new AbortController().signal;
const weights = Buffer.alloc(300_000, 'weights');

async function open(t: TestContext, root?: string) {
  const hub = await FakeHub.start(t);
  const commit = hub.commit('models/me/tiny', {
    'config.json': '{}',
    'model.safetensors': weights,
    'x.txt': '',
  });
  const rows = hub.commit('datasets/me/rows', { 'data/rows.jsonl': 'rows' });
  const directory = root ?? (await temporaryDirectory(t));
  const access = { endpoint: hub.endpoint, token: null };
  const store = ({ keepFreeBytes = 0 } = {}) =>
    new SourceStore(directory, (source, kind) => new HubRemote(source as HubSource, kind, access), {
      keepFreeBytes,
      retryDelayMs: 1,
    });
  const model = parseSource(`hf:me/tiny@${commit}`)!;
  const data = parseSource(`hf:datasets/me/rows@${rows}/data/rows.jsonl`)!;
  return { hub, directory, store, model, data };
}

const ofFiles = (requests: readonly string[]) => requests.filter((each) => each.includes('/resolve/'));

test('a model is fetched once, complete and for reading alone', async (t) => {
  const { hub, store, model, data, directory } = await open(t);
  const told: FetchProgress[] = [];
  const options = { signal: never, onProgress: (progress: FetchProgress) => told.push(progress) };
  const place = await store().fetch(model, 'directory', options);
  assert.equal(basename(place), 'tiny');
  assert.deepEqual(readdirSync(place).sort(), ['config.json', 'model.safetensors', 'x.txt']);
  assert.ok(readFileSync(join(place, 'model.safetensors')).equals(weights));
  assert.equal(statSync(join(place, 'model.safetensors')).mode & 0o777, 0o444);
  const last = told.at(-1)!;
  assert.deepEqual(last, { heldBytes: weights.length + 2, totalBytes: weights.length + 2 });
  assert.ok(told.every(({ heldBytes }, i) => i === 0 || heldBytes >= told[i - 1]!.heldBytes));

  const file = await store().fetch(data, 'file', { signal: never });
  assert.equal(basename(file), 'rows.jsonl');
  assert.equal(readFileSync(file, 'utf8'), 'rows');
  const asked = hub.requests.length;
  assert.equal(await store().fetch(model, 'directory', { signal: never }), place);
  assert.equal(await store().fetch(data, 'file', { signal: never }), file);
  assert.equal(hub.requests.length, asked, 'what is there is not asked for again');
  for (const folder of readdirSync(directory)) {
    assert.equal(existsSync(join(directory, folder, 'incoming')), false);
  }
});

test('what breaks off goes on where it was, and two who want the same fetch it once', async (t) => {
  const { hub, store, model } = await open(t);
  hub.cuts.add(2);
  hub.cuts.add(100_000);
  hub.cuts.add(50_000);
  const places = await Promise.all([
    store().fetch(model, 'directory', { signal: never }),
    store().fetch(model, 'directory', { signal: never }),
  ]);
  assert.equal(places[0], places[1]);
  assert.ok(readFileSync(join(places[0], 'model.safetensors')).equals(weights));
  // How much of an answer has been read when it breaks off is the network's affair.
  const starts = hub.ranges.map((range) => Number(/^bytes=(\d+)-$/.exec(range)?.[1]));
  assert.ok(starts.length > 0 && starts.length <= 2, hub.ranges.join());
  assert.ok(
    starts.every((start, i) => start > (starts[i - 1] ?? 0) && start <= 150_000),
    hub.ranges.join(),
  );
  assert.ok(ofFiles(hub.requests).length <= 6, hub.requests.join('\n'));
});

test('what was fetched before an end is not fetched again after it', async (t) => {
  const { hub, store, model } = await open(t);
  const stopping = new AbortController();
  const onProgress = ({ heldBytes }: FetchProgress) => {
    if (heldBytes > 100_000) stopping.abort(new Error('stopped'));
  };
  const options = { signal: stopping.signal, onProgress };
  await assert.rejects(store().fetch(model, 'directory', options), /stopped/);
  const place = await store().fetch(model, 'directory', { signal: never });
  assert.ok(readFileSync(join(place, 'model.safetensors')).equals(weights));
  assert.equal(ofFiles(hub.requests).filter((each) => each.endsWith('config.json')).length, 1);
  assert.match(hub.ranges.join(), /^bytes=\d{6}-$/);
});

test('an answer that fails is asked for again, and a source may be called as the store calls its own', async (t) => {
  const { hub, store } = await open(t);
  const commit = hub.commit('models/me/lock', { 'config.json': '{}' });
  hub.statuses.push(503, 429);
  const place = await store().fetch(parseSource(`hf:me/lock@${commit}`)!, 'directory', { signal: never });
  assert.deepEqual(readdirSync(place), ['config.json']);
});

test('damaged content is fetched a second time, and never has the place of the sound one', async (t) => {
  const { hub, store, model, directory } = await open(t);
  hub.damaged.set('model.safetensors', Buffer.alloc(weights.length, 'damaged'));
  await assert.rejects(
    store().fetch(model, 'directory', { signal: never }),
    (error) =>
      error instanceof RunError && /"model.safetensors" came twice with other bytes/.test(error.message),
  );
  const [folder] = readdirSync(directory);
  assert.equal(existsSync(join(directory, folder!, 'content')), false);
  hub.damaged.clear();
  const place = await store().fetch(model, 'directory', { signal: never });
  assert.ok(readFileSync(join(place, 'model.safetensors')).equals(weights));
});

test('who never answers well is given up, in one line', async (t) => {
  const { hub, store, model } = await open(t);
  for (let i = 0; i < 20; i++) hub.cuts.add(0);
  await assert.rejects(
    store().fetch(model, 'directory', { signal: never }),
    (error) =>
      error instanceof RunError && /^hf:me\/tiny@\w+: config.json broke off \([^\n]+\)$/.test(error.message),
  );
  assert.equal(ofFiles(hub.requests).length, 8);
});

test('a disk that is too small is seen before a byte comes; one that fills up, when it does', async (t) => {
  const disk = smallDisk(t, 200_000);
  if (disk === null) return;
  const { hub, store, model } = await open(t, disk);
  await assert.rejects(
    store().fetch(model, 'directory', { signal: never }),
    (error) =>
      error instanceof RunError &&
      /has 1 MiB more to come, and the disk of .* free: make space/.test(error.message),
  );
  assert.deepEqual(ofFiles(hub.requests), []);

  // Others may fill it once that was looked at.
  const late = store({ keepFreeBytes: -(2 ** 40) });
  await assert.rejects(
    late.fetch(model, 'directory', { signal: never }),
    (error) =>
      error instanceof RunError &&
      /^hf:\S+ cannot be kept in .*ENOSPC.*: see that its disk has free space$/.test(error.message),
  );
});

test('a source that is not pinned is asked for what it is now, a pinned one is not', async (t) => {
  const { hub, store, model } = await open(t);
  assert.deepEqual(await store().pin(parseSource('hf:me/tiny')!, 'directory', never), model);
  const asked = hub.requests.length;
  assert.deepEqual(await store().pin(model, 'directory', never), model);
  assert.equal(hub.requests.length, asked);
  await assert.rejects(store().pin(parseSource('hf:me/none')!, 'directory', never), ConfigError);
});
