import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { credentials, type Client } from '@grpc/grpc-js';
import { pino } from 'pino';
import { ProcessLauncher } from '../../coordinator/launch/process-launcher.js';
import { startCoordinator, type Coordinator } from '../../coordinator/server.js';
import { callUnary, connect } from '../../proto/calls.js';
import { runService, v1 } from '../../proto/services.js';
import { fixturePath } from '../parity/fixtures.js';
import { RunWatch } from '../support/run-watch.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { writeTinyRun, type TinyRun } from '../support/tiny-run.js';
import { metricsOf, nameOf } from './coordinator-doubles/run-story.js';
import { privateCache } from './prospect.js';

const patienceMs = 120_000;
const entry = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Both have a replica of the same name, of models that have not even their tokens in common. */
const runs = {
  llama: { method: 'kto', keys: { max_steps: 30, workers: 1 } },
  gpt2: { method: 'kto', keys: { max_steps: 30, workers: 2, model: fixturePath('models/gpt2'), seed: 7 } },
} satisfies Record<string, TinyRun>;

const short: TinyRun = { method: 'sft', keys: { max_steps: 3, workers: 2 } };

type Name = keyof typeof runs;
const names = Object.keys(runs) as Name[];

interface Service {
  readonly coordinator: Coordinator;
  readonly client: Client;
}

/** A coordinator in this process, with real workers, of which there may be three. */
async function startService(dir: string): Promise<Service> {
  const stateDir = join(dir, 'state');
  const coordinator = await startCoordinator({
    stateDir,
    listen: '127.0.0.1:0',
    metricsListen: null,
    paths: { kind: 'any' },
    maxWorkers: 3,
    makeLauncher: (coordinatorAddress) =>
      new ProcessLauncher({
        workerEntry: entry('worker/main.js'),
        referenceEntry: entry('worker/reference/main.js'),
        coordinatorAddress,
        stateDir,
      }),
    log: pino({ level: 'silent' }),
    onFatal: (error) => {
      throw error;
    },
  });
  return { coordinator, client: connect(coordinator.address, credentials.createInsecure()) };
}

async function stop({ coordinator, client }: Service): Promise<void> {
  client.close();
  await coordinator.stop('the test wants it');
}

class Session {
  readonly dir: string;
  #service: Promise<Service>;

  constructor(dir: string) {
    // No run may have its answers of the reference from another one.
    Object.assign(process.env, privateCache());
    this.dir = dir;
    this.#service = startService(dir);
  }

  async client(): Promise<Client> {
    return (await this.#service).client;
  }

  async submit(name: string, run: TinyRun): Promise<RunWatch> {
    const { text } = writeTinyRun(join(this.dir, name), run);
    const request = { runYaml: text, outputDir: join(this.dir, name, 'out'), name };
    const { run: submitted } = await callUnary(await this.client(), runService.submitRun, request);
    return new RunWatch(() => this.client(), submitted?.id ?? '', patienceMs);
  }

  async list(): Promise<v1.Run.$Properties[]> {
    return (await callUnary(await this.client(), runService.listRuns, {})).runs;
  }

  async restart(): Promise<void> {
    await stop(await this.#service);
    this.#service = startService(this.dir);
  }

  async end(): Promise<void> {
    await stop(await this.#service);
  }

  /** What a run came to: nothing of it may depend on what else there was. */
  async resultOf(name: Name, watch: RunWatch): Promise<unknown> {
    const { state, reason } = await watch.ended;
    assert.equal(state, v1.RunState.RUN_STATE_COMPLETED, reason ?? '');
    const outputDir = join(this.dir, name, 'out');
    const weights = readFileSync(join(outputDir, 'model/model.safetensors'));
    return {
      weights: createHash('sha256').update(weights).digest('hex'),
      metrics: await metricsOf(outputDir),
    };
  }
}

async function openSession(t: Pick<TestContext, 'after'>): Promise<Session> {
  const session = new Session(await temporaryDirectory(t));
  t.after(() => session.end());
  return session;
}

describe('runs side by side come to what each comes to alone, bit for bit', { timeout: 600_000 }, () => {
  const alone = new Map<Name, unknown>();

  before(async () => {
    for (const name of names) {
      const cleanUps: (() => unknown)[] = [];
      const session = await openSession({
        after: (cleanUp) => void cleanUps.unshift(cleanUp as () => unknown),
      });
      alone.set(name, await session.resultOf(name, await session.submit(name, runs[name])));
      for (const cleanUp of cleanUps) await cleanUp();
    }
  });

  test('two at once, while a third one waits and says for what', async (t) => {
    const session = await openSession(t);
    const llama = await session.submit('llama', runs.llama);
    const gpt2 = await session.submit('gpt2', runs.gpt2);
    const third = await session.submit('third', short);
    const [first, second, waiting] = await session.list();
    assert.ok([first, second].every((run) => ['starting', 'running'].includes(nameOf(run!))));
    assert.deepEqual([nameOf(waiting!), waiting?.waitsFor], ['queued', '2 workers: 3 of 3 are in use']);

    assert.deepEqual(await session.resultOf('llama', llama), alone.get('llama'));
    assert.deepEqual(await session.resultOf('gpt2', gpt2), alone.get('gpt2'));
    const { state, reason, waitsFor } = await third.ended;
    assert.equal(state, v1.RunState.RUN_STATE_COMPLETED, reason ?? '');
    assert.equal(waitsFor, '');
  });

  test('two at once, whose coordinator is stopped and started again in the middle', async (t) => {
    const session = await openSession(t);
    const llama = await session.submit('llama', runs.llama);
    const gpt2 = await session.submit('gpt2', runs.gpt2);
    const third = await session.submit('third', short);
    await Promise.all([llama.untilCommitted(3), gpt2.untilCommitted(3)]);
    await session.restart();
    assert.deepEqual(
      (await session.list()).map((run) => nameOf(run) === 'queued'),
      [false, false, true],
    );
    assert.deepEqual(await session.resultOf('llama', llama), alone.get('llama'));
    assert.deepEqual(await session.resultOf('gpt2', gpt2), alone.get('gpt2'));
    assert.equal((await third.ended).state, v1.RunState.RUN_STATE_COMPLETED);
  });
});
