import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test, type TestContext } from 'node:test';
import { callUnary } from '../../proto/calls.js';
import { runService, v1 } from '../../proto/services.js';
import { fixturePath, readFixture } from '../parity/fixtures.js';
import { CoordinatorProcess } from '../support/coordinator-process.js';
import { RunWatch } from '../support/run-watch.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { judgedRows, pairedRows } from '../support/tiny-run.js';
import { prospect } from './prospect.js';

const patienceMs = 180_000;
const graceMs = 30_000;
const beta = 0.2;
const batchSize = 8;

interface Golden {
  readonly prompt_ids: number[][];
  readonly completion_ids: number[][];
}

interface HeldOutRow {
  readonly prompt_ids: number[];
  readonly completion_ids: number[];
  readonly label: boolean;
}

/** Rows of token ids with prompts that all differ, so that the mismatched pairs are known: each takes the one before it. */
function heldOutRows(count: number): HeldOutRow[] {
  const { prompt_ids: prompts, completion_ids: completions } = readFixture(
    'golden/train_llama_full.json',
  ) as Golden;
  return Array.from({ length: count }, (_, i) => ({
    prompt_ids: [...prompts[i % 16]!, 5 + Math.floor(i / 16)],
    completion_ids: completions[(3 * i + 1) % 16]!,
    label: i % 3 !== 0,
  }));
}

const writeLines = (file: string, rows: readonly unknown[]) =>
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));

/** The KTO stage takes longer to be judged than the others, so that there is a middle of it to kill something in. */
const ktoRows = heldOutRows(41);

/** Writes the data of all stages, and a run file of these; JSON is YAML. */
function writeRun(dir: string, methods: readonly string[], workers: number): string {
  const rows = { judged: judgedRows(), pairs: pairedRows(), kto: ktoRows };
  for (const [name, of] of Object.entries(rows)) writeLines(join(dir, `${name}.jsonl`), of);
  writeLines(join(dir, 'few-judged.jsonl'), judgedRows().slice(0, 7));
  writeLines(join(dir, 'few-pairs.jsonl'), pairedRows().slice(0, 7));
  const data = (train: string, evaluated: string) => ({
    train: join(dir, `${train}.jsonl`),
    eval: join(dir, `${evaluated}.jsonl`),
  });
  const dataOf: Readonly<Record<string, unknown>> = {
    kto: data('judged', 'kto'),
    dpo: data('pairs', 'few-pairs'),
    sft: data('judged', 'few-judged'),
    ppo_clip: data('judged', 'few-judged'),
  };
  return JSON.stringify({
    workers,
    threads_per_worker: 1,
    model: fixturePath('models/llama'),
    learning_rate: 3e-3,
    lr_schedule: 'constant',
    max_steps: 3,
    global_batch_size: batchSize,
    micro_batch_size: 2,
    max_length: 128,
    eval_steps: 2,
    samples: { every_steps: 2, prompts: 3, max_new_tokens: 6, temperature: 0.9 },
    save_steps: 0,
    stages: methods.map((method) => ({ method, data: dataOf[method], ...(method === 'kto' && { beta }) })),
  });
}

interface Running {
  readonly outputDir: string;
  readonly coordinator: CoordinatorProcess;
  readonly watch: RunWatch;
}

async function start(t: Pick<TestContext, 'after'>, methods: readonly string[], workers: number): Promise<Running> {
  const dir = await temporaryDirectory(t);
  const outputDir = join(dir, 'out');
  const coordinator = new CoordinatorProcess(dir);
  coordinator.start();
  t.after(() => coordinator.terminate({ graceMs }));
  const runYaml = writeRun(dir, methods, workers);
  const { run } = await callUnary(await coordinator.client(), runService.submitRun, { runYaml, outputDir });
  const watch = new RunWatch(() => coordinator.client(), run?.id ?? '', patienceMs);
  return { outputDir, coordinator, watch };
}

type Line = Readonly<Record<string, unknown>>;

function linesOf(outputDir: string, name: string): Line[] {
  const lines = readFileSync(join(outputDir, name), 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as Line);
}

/** All that no cluster may change. */
interface Result {
  readonly evaluations: readonly Line[];
  readonly samples: readonly Line[];
  readonly losses: readonly unknown[];
}

async function resultOf({ watch, outputDir }: Running): Promise<Result> {
  const { state, reason } = await watch.ended;
  assert.equal(state, v1.RunState.RUN_STATE_COMPLETED, reason ?? '');
  const evaluations = linesOf(outputDir, 'evaluations.jsonl').map(({ eval_runtime_s: runtime, ...row }) => {
    assert.ok(typeof runtime === 'number' && runtime > 0);
    return row;
  });
  const losses = linesOf(outputDir, 'metrics.jsonl').map(({ stage, step, loss }) => [stage, step, loss]);
  return { evaluations, samples: linesOf(outputDir, 'samples.jsonl'), losses };
}

const ofStage = ({ evaluations, samples, losses }: Result, stage: number): Result => ({
  evaluations: evaluations.filter((row) => row['stage'] === stage),
  samples: samples.filter((row) => row['stage'] === stage),
  losses: losses.filter((row) => (row as unknown[])[0] === stage),
});

describe('held-out rows and samples', { timeout: 900_000 }, () => {
  const methods = ['kto', 'dpo', 'sft', 'ppo_clip'];
  let alone: Result;
  let trainedModel: string;
  before(async () => {
    const cleanUps: (() => unknown)[] = [];
    const running = await start({ after: (cleanUp) => void cleanUps.unshift(cleanUp as () => unknown) }, methods, 1);
    alone = await resultOf(running);
    trainedModel = join(running.outputDir, 'stages/1-kto/model');
    await compareWithScores(trainedModel);
    for (const cleanUp of cleanUps) await cleanUp();
  });

  /** What `prospect score` finds of the models that the stage starts from and writes, put together by hand. */
  async function compareWithScores(model: string): Promise<void> {
    const start = fixturePath('models/llama');
    const mismatched = ktoRows.map(({ prompt_ids }, i) => ({ prompt_ids, ...completionOf(donorOf(i)) }));
    const reference = { own: await scores(start, ktoRows), mismatched: await scores(start, mismatched) };
    const [first, ...rest] = alone.evaluations.filter((row) => row['stage'] === 1);
    compareRow(first!, reference, reference);
    const trained = { own: await scores(model, ktoRows), mismatched: await scores(model, mismatched) };
    compareRow(rest.at(-1)!, trained, reference);
  }

  for (const workers of [2, 3]) {
    test(`are the same on ${workers} workers as on one, bit for bit, for ${methods.join(', ')}`, async (t) => {
      const result = await resultOf(await start(t, methods, workers));
      assert.deepEqual(result, alone);
    });
  }

  test('come at the start, every two steps and at the end of every stage, with what the method has', () => {
    const steps = (lines: readonly Line[]) => lines.map(({ stage, step }) => [stage, step]);
    const expected = [1, 2, 3, 4].flatMap((stage) => [0, 2, 3].map((step) => [stage, step]));
    assert.deepEqual(steps(alone.evaluations), expected);
    assert.deepEqual(steps(alone.samples), expected);
    const has = (method: string) => {
      const row = alone.evaluations.find((one) => one['method'] === method && one['step'] === 3)!;
      return Object.keys(row).filter((key) => row[key] !== null && key.startsWith('eval_'));
    };
    const logps = ['chosen', 'rejected'].flatMap((of) => [`eval_logps/${of}`, `eval_logps_per_token/${of}`]);
    const rewards = ['chosen', 'rejected', 'margins', 'accuracies'].map((of) => `eval_rewards/${of}`);
    const sides = ['chosen', 'rejected'].map((of) => `eval_accuracy/${of}`);
    const sorted = (...keys: string[]) => [...keys, 'eval_loss'].sort();
    assert.deepEqual(has('kto').sort(), sorted(...logps, ...rewards, ...sides, 'eval_kl', 'eval_kl_unclamped'));
    assert.deepEqual(has('dpo').sort(), sorted(...logps, ...rewards));
    assert.deepEqual(has('ppo_clip').sort(), sorted(...logps, ...rewards, ...sides));
    assert.deepEqual(has('sft').sort(), sorted('eval_logps/chosen', 'eval_logps_per_token/chosen'));
    for (const method of methods) {
      const [from, , to] = alone.evaluations.filter((row) => row['method'] === method);
      assert.notEqual(from!['eval_loss'], to!['eval_loss'], `${method} has learned nothing`);
    }
  });

  test('show the completions of prompts, decoded', () => {
    for (const { completions } of alone.samples) {
      const shown = completions as { prompt: string; completion: string; cut: boolean }[];
      assert.equal(shown.length, 3);
      assert.equal(new Set(shown.map(({ prompt }) => prompt)).size, 3);
      assert.ok(shown.every(({ completion }) => typeof completion === 'string'));
    }
    assert.equal(new Set(alone.samples.map((line) => JSON.stringify(line['completions']))).size > 4, true);
  });

  test('are the same where a worker, and then the coordinator, is killed in the middle of them', async (t) => {
    const running = await start(t, ['kto'], 2);
    const { watch, coordinator } = running;
    await watch.untilCommitted(2);
    process.kill(coordinator.workers()[1]!.pid, 'SIGKILL');
    await watch.untilCommitted(3);
    await coordinator.kill();
    coordinator.start();
    assert.deepEqual(await resultOf(running), ofStage(alone, 1));
    assert.equal(watch.memberships.flatMap(({ lost }) => lost ?? []).length, 1);
  });
});

/** The row whose completion a row's prompt takes: the one before it in its group of a batch, the first the last. */
function donorOf(index: number): number {
  const groups = Math.floor(ktoRows.length / batchSize);
  // A tail of one row joins the group before it.
  assert.equal(ktoRows.length % batchSize, 1);
  const group = Math.min(Math.floor(index / batchSize), groups - 1);
  const start = group * batchSize;
  const size = group === groups - 1 ? batchSize + 1 : batchSize;
  return start + ((index - start - 1 + size) % size);
}

const completionOf = (index: number) => ({ completion_ids: ktoRows[index]!.completion_ids });

async function scores(model: string, rows: readonly unknown[]): Promise<number[]> {
  const cleanUps: (() => unknown)[] = [];
  const dir = await temporaryDirectory({ after: (cleanUp) => void cleanUps.push(cleanUp as () => unknown) });
  const data = join(dir, 'rows.jsonl');
  writeLines(data, rows);
  const { code, stdout, stderr } = await prospect(['score', '--model', model, '--data', data]);
  assert.equal(code, 0, stderr);
  for (const cleanUp of cleanUps) await cleanUp();
  const lines = stdout.trimEnd().split('\n');
  return lines.map((line) => (JSON.parse(line) as { logp: number }).logp);
}

interface Scores {
  readonly own: readonly number[];
  readonly mismatched: readonly number[];
}

/** Equations 7 and 8 of the KTO paper, over all held-out rows. */
function compareRow(row: Line, policy: Scores, reference: Scores): void {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
  const unclamped = mean(policy.mismatched.map((logp, i) => logp - reference.mismatched[i]!));
  const z0 = Math.max(0, unclamped);
  const rows = ktoRows.map(({ label, completion_ids: { length: tokens } }, i) => {
    const logp = policy.own[i]!;
    const ratio = logp - reference.own[i]!;
    const loss = 1 - sigmoid(beta * (label ? ratio - z0 : z0 - ratio));
    return { label, tokens, logp, reward: beta * ratio, loss, isRight: label ? ratio > z0 : ratio < z0 };
  });
  const [up, down] = [true, false].map((label) => rows.filter((one) => one.label === label));
  const share = (of: typeof rows) => of.filter(({ isRight }) => isRight).length / of.length;
  const perToken = (of: typeof rows) => mean(of.map(({ logp }) => logp)) / mean(of.map(({ tokens }) => tokens));
  const rewards = [up!, down!].map((of) => mean(of.map(({ reward }) => reward)));
  const expected: Readonly<Record<string, number>> = {
    rows: 41,
    eval_loss: mean(rows.map(({ loss }) => loss)),
    eval_kl: z0,
    eval_kl_unclamped: unclamped,
    'eval_rewards/chosen': rewards[0]!,
    'eval_rewards/rejected': rewards[1]!,
    'eval_rewards/margins': rewards[0]! - rewards[1]!,
    'eval_rewards/accuracies': share(rows),
    'eval_accuracy/chosen': share(up!),
    'eval_accuracy/rejected': share(down!),
    'eval_logps/chosen': mean(up!.map(({ logp }) => logp)),
    'eval_logps/rejected': mean(down!.map(({ logp }) => logp)),
    'eval_logps_per_token/chosen': perToken(up!),
    'eval_logps_per_token/rejected': perToken(down!),
  };
  // Rows are computed in other company there, which moves the last bits.
  for (const [key, value] of Object.entries(expected)) {
    const actual = row[key] as number;
    assert.ok(Math.abs(actual - value) < 1e-4, `${key} after step ${String(row['step'])}: ${actual}, by hand ${value}`);
  }
}
