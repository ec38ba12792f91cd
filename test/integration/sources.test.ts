import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { parseRunFile } from '../../lib/config/load.js';
import { callUnary } from '../../proto/calls.js';
import { runService, v1 } from '../../proto/services.js';
import { fixturePath } from '../parity/fixtures.js';
import { FakeHub } from '../support/fake-hub.js';
import { writeTinyRun } from '../support/tiny-run.js';
import { waitUntil } from '../support/wait-until.js';
import {
  eightRows,
  getRun,
  llama,
  runFileOf,
  startTestCoordinator,
  submit,
  watch,
} from './coordinator-doubles/test-coordinator.js';
import { startProspect, temporaryDirectory } from './prospect.js';

const jsonl = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

/** A hub with a model and rows, which this process takes for the one that there is until the test ends. */
async function startHub(t: TestContext) {
  const hub = await FakeHub.start(t);
  const model = hub.commitFolder('models/me/tiny', llama);
  const rows = hub.commit('datasets/me/rows', { 'train.jsonl': jsonl(eightRows) });
  hub.token = 'hf_a-secret-token';
  Object.assign(process.env, { HF_ENDPOINT: hub.endpoint, HF_TOKEN: hub.token });
  t.after(() => {
    for (const name of ['HF_ENDPOINT', 'HF_TOKEN']) Reflect.deleteProperty(process.env, name);
  });
  return { hub, model, rows };
}

const asked = runFileOf('hf:datasets/me/rows/train.jsonl', { model: 'hf:me/tiny' });

describe('a run of models and data that the coordinator fetches', () => {
  test('is pinned when it is submitted, and says what it waits for', async (t) => {
    const { hub, model, rows } = await startHub(t);
    const c = await startTestCoordinator(t);
    let open: () => void = () => undefined;
    hub.gate = new Promise((resolve) => (open = resolve));
    const outputDir = join(c.dir, 'out');
    const id = await submit(c.client, asked, outputDir);
    // What comes to the branches from now on is another run's.
    hub.commit('models/me/tiny', { 'config.json': 'no model' });
    hub.commit('datasets/me/rows', { 'train.jsonl': 'no rows' });
    const waits: string[] = [];
    await watch(c.client, id, {
      onEvent: ({ run }) => {
        if (run?.waitsFor) waits.push(run.waitsFor);
        if (waits.length > 0) open();
      },
    });
    const run = await getRun(c.client, id);
    assert.equal(run.state, v1.RunState.RUN_STATE_COMPLETED, run.reason ?? '');
    assert.equal(run.waitsFor, '');
    assert.match(waits[0]!, new RegExp(`^hf:me/tiny@${model}: 0\\.0 of \\d+\\.\\d MiB are there$`));
    assert.ok(
      waits.some((text) => text.startsWith(`hf:datasets/me/rows@${rows}/train.jsonl: 0.0 of 0.0 MiB`)),
    );

    const text = readFileSync(join(outputDir, 'run.yaml'), 'utf8');
    const [stage] = parseRunFile(text, 'run.yaml', { baseDir: '/' }).stages;
    assert.equal(stage.model, `hf:me/tiny@${model}`);
    assert.equal(stage.data.train, `hf:datasets/me/rows@${rows}/train.jsonl`);
    for (const file of ['journal.sqlite', 'journal.sqlite-wal'].map((name) => join(c.dir, 'state', name))) {
      if (existsSync(file)) assert.ok(!readFileSync(file).includes(hub.token!), 'no token in the journal');
    }
  });

  test('goes on where it was with the next coordinator', async (t) => {
    const { hub } = await startHub(t);
    const first = await startTestCoordinator(t);
    let open: () => void = () => undefined;
    hub.gate = new Promise((resolve) => (open = resolve));
    const id = await submit(first.client, asked, join(first.dir, 'out'));
    const fetching = new Promise<void>((resolve) => {
      watch(first.client, id, { onEvent: ({ run }) => run?.waitsFor && resolve() }).catch(() => undefined);
    });
    await fetching;
    await first.coordinator.stop('it is to be started again');
    open();
    const second = await startTestCoordinator(t, {}, { dir: first.dir });
    await watch(second.client, id);
    const run = await getRun(second.client, id);
    assert.equal(run.state, v1.RunState.RUN_STATE_COMPLETED, run.reason ?? '');
  });

  test('fails with the key of the run file where something is not to be had', async (t) => {
    const { hub } = await startHub(t);
    const c = await startTestCoordinator(t, {}, { paths: { kind: 'shared', roots: [] } });
    const request = { runYaml: runFileOf('hf:datasets/me/rows/train.jsonl', { model: 'hf:me/none' }) };
    await assert.rejects(
      callUnary(c.client, runService.submitRun, request),
      /model: hf:me\/none: \S+ has no such repository, revision or file \(404\)/,
    );
    assert.deepEqual((await callUnary(c.client, runService.listRuns, {})).runs, []);
    hub.token = 'another';
    await assert.rejects(
      callUnary(c.client, runService.submitRun, { runYaml: asked }),
      /HF_TOKEN may not read it/,
    );
  });
});

describe('prospect train and check', () => {
  test('fetch into the cache of the user, and train as from the same files here', async (t) => {
    const hub = await FakeHub.start(t);
    const dir = temporaryDirectory(t);
    const local = writeTinyRun(dir, { method: 'kto', keys: { max_steps: 3 } });
    hub.commitFolder('models/me/tiny', fixturePath('models/llama'));
    hub.commit('datasets/me/rows', { 'rows.jsonl': readFileSync(join(dir, 'rows.jsonl')) });
    const keys = JSON.parse(local.text) as Record<string, unknown>;
    const remote = join(dir, 'remote.yaml');
    const data = { train: 'hf:datasets/me/rows/rows.jsonl' };
    writeFileSync(remote, JSON.stringify({ ...keys, model: 'hf:me/tiny', data }));
    const env = { HF_ENDPOINT: hub.endpoint, PROSPECT_SOURCES_CACHE: join(dir, 'sources') };
    const run = async (...args: string[]) => {
      const finished = await startProspect(args, env).finished;
      assert.equal(finished.code, 0, finished.stderr);
      return finished;
    };
    const checked = await run('check', remote);
    assert.match(checked.stdout, /is sound/);
    assert.equal(readdirSync(join(dir, 'sources')).length, 2);
    const fetched = hub.requests.filter((each) => each.includes('/resolve/')).length;

    await run('train', local.file, '--out', join(dir, 'local'));
    await run('train', remote, '--out', join(dir, 'fetched'));
    const weights = (out: string) => readFileSync(join(dir, out, 'model', 'model.safetensors'));
    assert.ok(weights('fetched').equals(weights('local')));
    assert.equal(
      hub.requests.filter((each) => each.includes('/resolve/')).length,
      fetched,
      'once for all runs',
    );
    const again = await startProspect(['train', remote, '--out', join(dir, 'fetched'), '--resume'], env)
      .finished;
    assert.match(
      again.stderr,
      /holds a run that is complete/,
      'the branch is the commit that it was pinned to',
    );
  });

  test('Ctrl-C ends fetching, which goes on the next time', async (t) => {
    const hub = await FakeHub.start(t);
    const dir = temporaryDirectory(t);
    const { file } = writeTinyRun(dir, { method: 'kto' });
    hub.commitFolder('models/me/tiny', fixturePath('models/llama'));
    const env = { HF_ENDPOINT: hub.endpoint, PROSPECT_SOURCES_CACHE: join(dir, 'sources') };
    const check = () => startProspect(['check', file, '--set', 'model=hf:me/tiny'], env);
    let open: () => void = () => undefined;
    hub.gate = new Promise((resolve) => (open = resolve));
    const first = check();
    await waitUntil(
      () => hub.requests.some((each) => each.includes('/resolve/')),
      'a file is asked for',
      60_000,
    );
    first.process.kill('SIGINT');
    const { code, stderr } = await first.finished;
    assert.equal(code, 130, stderr);
    assert.match(stderr, /\ninterrupted: what has been fetched is kept for the next time\n$/);
    open();
    assert.match((await check().finished).stdout, /is sound\n$/);
  });
});
