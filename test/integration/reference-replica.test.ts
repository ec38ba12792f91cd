import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ProcessLauncher } from '../../coordinator/launch/process-launcher.js';
import { defaultClusterSettings, type ClusterSettings } from '../../coordinator/cluster/settings.js';
import { Journal } from '../../coordinator/journal/journal.js';
import type { ActiveRun } from '../../coordinator/runs/active-run.js';
import { prepareStages } from '../../coordinator/runs/prepare.js';
import { withReference } from '../../coordinator/runs/reference-replica.js';
import { readRunFile } from '../../coordinator/runs/run-file.js';
import { Telemetry } from '../../coordinator/telemetry/telemetry.js';
import type { ReferenceModel } from '../../lib/config/reference-model.js';
import { ConfigError } from '../../lib/errors.js';
import { spawnChild, type Child } from '../../lib/process/child.js';
import type { ReferenceAnswer } from '../../worker/reference/answer.js';
import { ReferenceClient } from '../../worker/reference/client.js';
import { writeReferenceFile } from '../../worker/reference/reference-file.js';
import type { Leaf } from '../../worker/trainer/work.js';
import { fixturePath, readFixture } from '../parity/fixtures.js';
import { keptLog } from '../support/log-lines.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { processesTagged, until } from './processes.js';

const referenceEntry = fileURLToPath(new URL('../../worker/reference/main.js', import.meta.url));
const llama = fixturePath('models/llama');
const ROWS_PER_LEAF = 4;

interface Golden {
  readonly prompt_ids: number[][];
  readonly completion_ids: number[][];
  readonly labels: boolean[];
}

const golden = readFixture('golden/train_llama_full.json') as Golden;

/** The golden rows in leaves, each with the next one's completion as its mismatched one. */
const leaves: readonly Leaf[] = Array.from({ length: golden.labels.length / ROWS_PER_LEAF }, (_, leaf) =>
  Array.from({ length: ROWS_PER_LEAF }, (_, i) => {
    const row = leaf * ROWS_PER_LEAF + i;
    const prompt = golden.prompt_ids[row]!;
    const sequence = (completion: readonly number[]) => ({
      ids: Int32Array.from([...prompt, ...completion]),
      completionStart: prompt.length,
    });
    return {
      position: row,
      row,
      completions: [sequence(golden.completion_ids[row]!)],
      mismatched: sequence(golden.completion_ids[(row + 1) % golden.labels.length]!),
      desirable: golden.labels[row]!,
      score: null,
      reference: null,
    };
  }),
);

type Answers = readonly (readonly ReferenceAnswer[])[];

const frozen: ReferenceModel = { modelDir: llama, adapterDir: null };

/** All leaves' answers, with log-probs by token and shared prompts and without, and how many requests came from the cache. */
async function askAll(
  socket: string,
  model = frozen,
): Promise<{ answers: Answers; hits: number; misses: number }> {
  const answers: (readonly ReferenceAnswer[])[] = [];
  let hits = 0;
  let misses = 0;
  for (const byToken of [false, true]) {
    const client = new ReferenceClient(
      socket,
      { model, byToken, sharePrompts: byToken },
      {
        answered(cached) {
          if (cached) hits++;
          else misses++;
        },
        lost: () => undefined,
        back: () => undefined,
      },
    );
    try {
      for (const leaf of leaves) answers.push(await client.answers(leaf));
    } finally {
      client.close();
    }
  }
  return { answers, hits, misses };
}

/** Each leaf once in two requests, for its own completions and the mismatched ones, and once in one that shares prompts. */
const REQUESTS = 3 * leaves.length;

describe('the replica', () => {
  interface Replica {
    readonly child: Child;
    readonly socket: string;
    /** Ends it in order and returns what it says last of its cache. */
    readonly stop: () => Promise<Record<string, unknown>>;
  }

  async function start(t: TestContext, cache: string, ...more: string[]): Promise<Replica> {
    const dir = await temporaryDirectory(t);
    const [socket, logFile] = [join(dir, 'r.sock'), join(dir, 'log')];
    const child = spawnChild({
      name: 'the replica',
      entry: referenceEntry,
      args: ['--model', llama, '--socket', socket, '--threads', '1', ...more],
      env: { PROSPECT_REFERENCE_CACHE: cache },
      logFile,
    });
    t.after(() => child.stop({ graceMs: 0 }));
    await child.ready;
    const stop = async () => {
      assert.deepEqual(await child.stop({ graceMs: 30_000 }), { code: 0, signal: null });
      assert.ok(!existsSync(socket));
      const lines = readFileSync(logFile, 'utf8').trim().split('\n');
      return JSON.parse(lines.at(-1)!) as Record<string, unknown>;
    };
    return { child, socket, stop };
  }

  const entriesOf = (cache: string) =>
    readdirSync(join(cache, 'answers'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
      .sort();

  test('gives the same answers with a cold, a warm, a half-destroyed and no cache', async (t) => {
    const cache = await temporaryDirectory(t);
    const cold = await start(t, cache);
    const computed = await askAll(cold.socket);
    const { hits, misses } = computed;
    assert.deepEqual({ hits, misses }, { hits: 0, misses: REQUESTS });
    await cold.stop();
    const entries = entriesOf(cache);
    assert.equal(entries.length, REQUESTS);

    const warm = await start(t, cache);
    assert.deepStrictEqual(await askAll(warm.socket), { ...computed, hits: REQUESTS, misses: 0 });
    await warm.child.stop({ graceMs: 0 });

    const damages = [
      (file: string) => rmSync(file),
      (file: string) => truncateSync(file, 40),
      (file: string) => writeFileSync(file, readFileSync(file).reverse()),
      (file: string) => writeFileSync(file, readFileSync(entries[1]!)),
    ];
    const damaged = entries.filter((_, i) => i % 2 === 0);
    damaged.forEach((file, i) => damages[i % damages.length]!(file));
    const half = await start(t, cache);
    const missed = damaged.length;
    assert.deepStrictEqual(await askAll(half.socket), {
      ...computed,
      hits: REQUESTS - missed,
      misses: missed,
    });
    const last = await half.stop();
    assert.equal(last['dropped'], damaged.length - Math.ceil(damaged.length / damages.length));
    assert.deepEqual(entriesOf(cache), entries, 'they are whole again');

    const elsewhere = await temporaryDirectory(t);
    const without = await start(t, elsewhere, '--no-cache');
    assert.deepStrictEqual(await askAll(without.socket), { ...computed });
    await without.stop();
    assert.deepEqual(readdirSync(elsewhere), []);
  });

  test('shares a cache with another replica that starts at the same time', async (t) => {
    const cache = await temporaryDirectory(t);
    const replicas = await Promise.all([start(t, cache), start(t, cache)]);
    const [one, other] = await Promise.all(replicas.map(({ socket }) => askAll(socket)));
    assert.deepStrictEqual(one!.answers, other!.answers);
    for (const { stop } of replicas) assert.equal((await stop())['dropped'], 0);
    assert.equal(entriesOf(cache).length, REQUESTS);
  });
});

describe('a replica that follows a file', () => {
  const other: ReferenceModel = { modelDir: fixturePath('models/mistral'), adapterDir: null };

  async function start(t: TestContext) {
    const dir = await temporaryDirectory(t);
    const [socket, file] = [join(dir, 'r.sock'), join(dir, 'reference.json')];
    const child = spawnChild({
      name: 'the replica',
      entry: referenceEntry,
      args: ['--follow', file, '--socket', socket, '--threads', '1'],
      env: { PROSPECT_REFERENCE_CACHE: join(dir, 'cache') },
      logFile: join(dir, 'log'),
    });
    t.after(() => child.stop({ graceMs: 0 }));
    await child.ready;
    /** Asks for a leaf; `waits` resolves once there is no answer yet, with the reason. */
    const ask = (model: ReferenceModel) => {
      let tell!: (reason: string) => void;
      const waits = new Promise<string>((resolve) => (tell = resolve));
      const client = new ReferenceClient(
        socket,
        { model, byToken: false, sharePrompts: false },
        { answered: () => undefined, lost: tell, back: () => undefined },
      );
      t.after(() => client.close());
      const answers = client.answers(leaves[0]!);
      // Raised where it is awaited.
      answers.catch(() => undefined);
      return { waits, answers };
    };
    return { child, socket, ask, name: (model: ReferenceModel) => writeReferenceFile(file, model) };
  }

  test('serves what it names, to those who ask for that', async (t) => {
    const { child, socket, ask, name } = await start(t);
    const early = ask(frozen);
    assert.match(await early.waits, /^it serves no model, and not .*llama yet$/);
    name(frozen);
    const { answers } = await askAll(socket);
    assert.deepStrictEqual(await early.answers, answers[0]);

    const ahead = ask(other);
    assert.match(await ahead.waits, /^it serves .*llama, and not .*mistral yet$/);
    name(other);
    const others = await askAll(socket, other);
    assert.deepStrictEqual(await ahead.answers, others.answers[0]);
    assert.notDeepStrictEqual(others.answers, answers);

    const late = ask(frozen);
    assert.match(await late.waits, /^it serves .*mistral, and not .*llama yet$/);
    name(frozen);
    assert.deepStrictEqual(await late.answers, answers[0]);
    assert.deepEqual(await child.stop({ graceMs: 30_000 }), { code: 0, signal: null });
    assert.ok(!existsSync(socket));
  });

  test('says what is wrong to those who ask for a model that it cannot load, and goes on with the next', async (t) => {
    const { socket, ask, name } = await start(t);
    const nowhere = { modelDir: '/nowhere', adapterDir: null };
    const broken = { modelDir: llama, adapterDir: '/nowhere' };
    for (const model of [nowhere, broken]) {
      const early = ask(model);
      await early.waits;
      name(model);
      for (const { answers } of [early, ask(model)]) {
        await assert.rejects(answers, (error) => {
          assert.ok(error instanceof ConfigError, String(error));
          assert.match(error.message, /^the reference replica at .*\/nowhere/);
          return true;
        });
      }
    }
    const next = ask(frozen);
    name(frozen);
    assert.deepStrictEqual(await next.answers, (await askAll(socket)).answers[0]);
  });

  test('needs one source of models', async (t) => {
    const dir = await temporaryDirectory(t);
    const common = ['--socket', join(dir, 'r.sock'), '--threads', '1'];
    for (const args of [[], ['--model', llama, '--follow', '/f'], ['--adapter', '/a', '--follow', '/f']]) {
      const child = spawnChild({
        name: 'the replica',
        entry: referenceEntry,
        args: [...args, ...common],
        stdio: 'ignore',
      });
      await assert.rejects(child.ready, { name: 'ConfigError', message: /--model DIR.* or --follow FILE/ });
      assert.deepEqual(await child.exited, { code: 2, signal: null });
    }
  });
});

describe('a run’s replica', () => {
  /** A run that needs a reference, as far as `withReference` is concerned. */
  async function openRun(t: TestContext, cluster: Partial<ClusterSettings> = {}, model = llama) {
    const dir = await temporaryDirectory(t);
    const cache = join(dir, 'cache');
    // The launcher's processes inherit it; it also tells them from those of other tests.
    const before = process.env['PROSPECT_REFERENCE_CACHE'];
    process.env['PROSPECT_REFERENCE_CACHE'] = cache;
    t.after(() => {
      if (before === undefined) delete process.env['PROSPECT_REFERENCE_CACHE'];
      else process.env['PROSPECT_REFERENCE_CACHE'] = before;
    });
    const rows = golden.labels.map((label, i) => {
      const [prompt_ids, completion_ids] = [golden.prompt_ids[i], golden.completion_ids[i]];
      return JSON.stringify({ prompt_ids, completion_ids, label });
    });
    writeFileSync(join(dir, 'rows.jsonl'), `${rows.join('\n')}\n`);
    const stateDir = join(dir, 'state');
    await mkdir(stateDir);
    const journal = Journal.open(stateDir);
    t.after(() => journal.close());
    const train = join(dir, 'rows.jsonl');
    const runYaml = JSON.stringify({ model, method: 'kto', data: { train }, threads_per_worker: 1 });
    const outputDir = join(dir, 'out');
    const record = journal.addRun({
      id: 'run-1',
      name: 'run',
      runYaml,
      outputDir,
      skipBadRows: false,
      workers: 1,
    });
    const launcher = new ProcessLauncher({
      workerEntry: '',
      referenceEntry,
      coordinatorAddress: '',
      stateDir,
    });
    t.after(() => launcher.close());
    const failure = new AbortController();
    const telemetry = new Telemetry(() => new Map());
    const run: ActiveRun = {
      journal,
      launcher,
      crews: new Map(),
      telemetry,
      measured: telemetry.ofRun(record.id),
      cluster: { ...defaultClusterSettings, ...cluster },
      log: keptLog().log,
      record,
      signal: failure.signal,
      fail: (error) => failure.abort(error),
    };
    const config = readRunFile(runYaml, outputDir);
    const [stage] = await prepareStages(run, config);
    const replicas = () =>
      processesTagged(`PROSPECT_REFERENCE_CACHE=${cache}`).filter(({ command }) =>
        command.includes(referenceEntry),
      );
    t.after(() => until('no replica is left', () => replicas().length === 0));
    const notices = () => journal.eventsAfter(record.id, 0, 1000).flatMap(({ notice }) => notice?.text ?? []);
    return { run, config, stage: stage!, replicas, notices, cache };
  }

  type Opened = Awaited<ReturnType<typeof openRun>>;

  /** Asks a stopped replica, and what then happens to it happens in the middle of a request. */
  async function interrupt({ run, config, stage, replicas, cache }: Opened, finish: (pid: number) => void) {
    let together: { before: Answers; after: Answers } | undefined;
    const news: string[] = [];
    await withReference(run, config, stage, async (reference) => {
      const { socket } = reference!;
      const before = (await askAll(socket)).answers;
      const [replica] = replicas();
      process.kill(replica!.pid, 'SIGSTOP');
      // The next one must compute. (A write that was under way may still come through.)
      rmSync(cache, { recursive: true, maxRetries: 10 });
      const client = new ReferenceClient(
        socket,
        { model: frozen, byToken: false, sharePrompts: false },
        {
          answered: () => undefined,
          lost: () => news.push('lost'),
          back: () => news.push('back'),
        },
      );
      try {
        const waiting = client.answers(leaves[0]!);
        finish(replica!.pid);
        assert.deepStrictEqual(await waiting, before[0]);
      } finally {
        client.close();
      }
      assert.notEqual(replicas()[0]?.pid, replica!.pid);
      together = { before, after: (await askAll(socket)).answers };
    });
    assert.deepStrictEqual(together!.after, together!.before);
    assert.deepEqual(news, ['lost', 'back']);
    assert.equal(replicas().length, 0);
  }

  test('that is killed in the middle of a request is started again, and the request is answered', async (t) => {
    const opened = await openRun(t);
    await interrupt(opened, (pid) => process.kill(pid, 'SIGKILL'));
    assert.deepEqual(opened.notices().slice(-1), [
      'the reference replica was killed by SIGKILL: it is started again',
    ]);
  });

  test('that hangs is killed and started again, and the request is answered', async (t) => {
    const opened = await openRun(t, { heartbeatIntervalMs: 100, heartbeatTimeoutMs: 8_000 });
    await interrupt(opened, () => undefined);
    assert.deepEqual(opened.notices().slice(-1), [
      'the reference replica has not answered for 8 s: it is started again',
    ]);
  });

  test('that keeps dying fails the run, with the reason and the log', async (t) => {
    const { run, config, stage, replicas, notices } = await openRun(t);
    const killing = (async () => {
      for (let killed = new Set<number>(); !run.signal.aborted;) {
        const fresh = replicas().filter(({ pid }) => !killed.has(pid));
        for (const { pid } of fresh) process.kill(pid, 'SIGKILL');
        killed = new Set([...killed, ...fresh.map(({ pid }) => pid)]);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    await assert.rejects(
      withReference(run, config, stage, () => assert.fail('no replica ever served')),
      /^RunError: the reference replica could not start \(.*was killed by SIGKILL before it was ready; see .*reference-1\.log\), for the 5th time/,
    );
    await killing;
    assert.equal(notices().filter((text) => text.includes('it is started again')).length, 4);
  });

  test('that cannot start because of its input fails the run at once', async (t) => {
    const opened = await openRun(t);
    const { run, config, stage, notices } = opened;
    const elsewhere = { ...stage, config: { ...stage.config, model: '/nowhere' } };
    await assert.rejects(
      withReference(run, config, elsewhere, () => assert.fail('it served')),
      ConfigError,
    );
    assert.ok(notices().every((text) => !text.includes('started again')));
  });

  test('is stopped when the stage fails, and while it is still starting', async (t) => {
    const { run, config, stage } = await openRun(t);
    await assert.rejects(
      withReference(run, config, stage, () => Promise.reject(new Error('the step went wrong'))),
      /the step went wrong/,
    );
    const starting = withReference(run, config, stage, () => assert.fail('it served'));
    run.fail(new Error('cancelled'));
    await assert.rejects(starting, /cancelled/);
  });
});
