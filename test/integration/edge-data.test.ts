import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fixturePath } from '../parity/fixtures.js';
import { judgedRows, pairedRows, writeTinyRun, type TinyRun } from '../support/tiny-run.js';
import { prospect, temporaryDirectory } from './prospect.js';

interface Row {
  readonly label: boolean;
}

const judged = judgedRows() as Row[];
const liked = judged.filter(({ label }) => label);
const disliked = judged.filter(({ label }) => !label);

interface Case {
  readonly name: string;
  readonly method: 'kto' | 'dpo';
  readonly rows: readonly unknown[];
  /** Of the stage. A batch of 16 in micro-batches of 2 otherwise. */
  readonly keys: Readonly<Record<string, unknown>>;
  readonly steps: number;
  /** Columns that have a number in every step; loss and grad_norm always do. */
  readonly numbers: readonly string[];
  /** Columns that never have one: of a class that the data lack. */
  readonly nulls?: readonly string[];
}

const bothClasses = ['rewards/chosen', 'rewards/rejected', 'rewards/margins'];

const cases: readonly Case[] = [
  {
    name: 'KTO, desirable rows only',
    method: 'kto',
    rows: liked,
    keys: { max_steps: 4 },
    steps: 4,
    numbers: ['kl', 'rewards/chosen'],
    nulls: ['rewards/rejected', 'logps/rejected', 'rewards/margins'],
  },
  {
    name: 'KTO, undesirable rows only',
    method: 'kto',
    rows: disliked,
    keys: { max_steps: 4, global_batch_size: 4 },
    steps: 4,
    numbers: ['kl', 'rewards/rejected'],
    nulls: ['rewards/chosen', 'logps/chosen', 'rewards/margins'],
  },
  {
    name: 'KTO, a single desirable example in the batch',
    method: 'kto',
    rows: [liked[0], ...disliked],
    keys: { epochs: 3, global_batch_size: disliked.length + 1 },
    steps: 3,
    numbers: ['kl', ...bothClasses],
  },
  {
    name: 'KTO, one example for each worker',
    method: 'kto',
    rows: judged,
    keys: { max_steps: 4, global_batch_size: 4, micro_batch_size: 1 },
    steps: 4,
    numbers: ['kl'],
  },
  {
    name: 'KTO, more workers than micro-batches',
    method: 'kto',
    rows: judged,
    keys: { max_steps: 4, global_batch_size: 4 },
    steps: 4,
    numbers: ['kl'],
  },
  {
    name: 'KTO, more workers than examples',
    method: 'kto',
    rows: judged,
    keys: { max_steps: 4, global_batch_size: 2, micro_batch_size: 1 },
    steps: 4,
    numbers: ['kl'],
  },
  {
    name: 'KTO, a last batch of one example',
    method: 'kto',
    rows: judged.slice(0, 9),
    keys: { epochs: 2, global_batch_size: 8 },
    steps: 4,
    numbers: ['kl'],
  },
  {
    name: 'KTO, two rows',
    method: 'kto',
    rows: [liked[0], disliked[0]],
    keys: { epochs: 4 },
    steps: 4,
    numbers: ['kl', ...bothClasses],
  },
  {
    name: 'DPO, one row',
    method: 'dpo',
    rows: pairedRows().slice(0, 1),
    keys: { epochs: 4 },
    steps: 4,
    numbers: bothClasses,
  },
  {
    name: 'DPO, one pair for each of some workers, and a last batch of one',
    method: 'dpo',
    rows: pairedRows().slice(0, 7),
    keys: { epochs: 2, global_batch_size: 3, micro_batch_size: 1 },
    steps: 6,
    numbers: bothClasses,
  },
];

type Metrics = Readonly<Record<string, unknown>>;

interface StageResult {
  readonly metrics: readonly Metrics[];
  readonly weights: Buffer;
}

describe('data at the edge', { timeout: 300_000 }, () => {
  const results = new Map<number, readonly StageResult[]>();

  /** All cases as stages of one run, each from the untrained model. */
  async function trainAll(directory: string, workers: number): Promise<void> {
    const stages = cases.map(({ method, rows, keys }, i) => {
      const train = join(directory, `rows-${i}.jsonl`);
      writeFileSync(train, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
      return { method, model: fixturePath('models/llama'), data: { train }, ...keys };
    });
    const runFile = {
      ...{ learning_rate: 1e-3, global_batch_size: 16, micro_batch_size: 2, threads_per_worker: 1 },
      stages,
    };
    writeFileSync(join(directory, 'run.yaml'), JSON.stringify(runFile));
    const out = join(directory, `out-${workers}`);
    const args = ['train', join(directory, 'run.yaml'), '--workers', `${workers}`, '--out', out];
    const { code, stderr } = await prospect(args);
    assert.equal(code, 0, stderr);
    const lines = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
    const metrics = lines.map((line) => JSON.parse(line) as Metrics);
    results.set(
      workers,
      cases.map(({ method }, i) => ({
        metrics: metrics.filter(({ stage }) => stage === i + 1),
        weights: readFileSync(
          join(
            out,
            i + 1 === cases.length ? 'model' : `stages/${i + 1}-${method}/model`,
            'model.safetensors',
          ),
        ),
      })),
    );
  }

  const directory = mkdtempSync(join(tmpdir(), 'prospect-edge-data-'));
  after(() => rmSync(directory, { recursive: true }));
  before(async () => {
    await trainAll(directory, 1);
    await trainAll(directory, 4);
  });

  cases.forEach(({ name, steps, numbers, nulls = [] }, i) => {
    test(`${name}: trains to the same weights on one worker and on four`, () => {
      const [one, four] = [results.get(1)![i]!, results.get(4)![i]!];
      for (const { metrics } of [one, four]) {
        assert.equal(metrics.length, steps);
        for (const row of metrics) {
          // JSON has no NaN: it would be null, which is right only for a class that the batch lacks.
          for (const column of ['loss', 'grad_norm', ...numbers]) {
            assert.equal(typeof row[column], 'number', `step ${String(row['step'])}: ${column}`);
          }
          for (const column of nulls) assert.equal(row[column], null, column);
        }
      }
      const columns = ({ metrics }: StageResult) =>
        metrics.map(({ loss, kl, grad_norm }) => [loss, kl, grad_norm]);
      assert.deepEqual(columns(four), columns(one));
      assert.ok(four.weights.equals(one.weights), 'the weights depend on the number of workers');
    });
  });

  const refused: readonly (readonly [name: string, run: TinyRun, reason: RegExp])[] = [
    [
      'KTO with batches of one',
      { method: 'kto', keys: { global_batch_size: 1, micro_batch_size: 1 } },
      /run\.yaml:1: global_batch_size: must be at least 2 for kto, whose mismatched completions/,
    ],
    [
      'KTO with one row',
      { method: 'kto', rows: liked.slice(0, 1) },
      /kto needs two rows with different prompts within a batch: its z0/,
    ],
    [
      'KTO with one prompt only',
      { method: 'kto', rows: [liked[0], liked[0], liked[0]] },
      /kto needs two rows with different prompts within a batch: its z0/,
    ],
    ['no row at all', { method: 'kto', rows: [] }, /rows\.jsonl: no usable row of 0/],
  ];
  for (const [name, run, reason] of refused) {
    test(`${name}: refused, with the reason`, async (t) => {
      const dir = temporaryDirectory(t);
      const { file } = writeTinyRun(dir, run);
      const { code, stderr } = await prospect(['train', file, '--workers', '2', '--out', join(dir, 'out')]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, reason);
      assert.equal(
        stderr
          .trimEnd()
          .split('\n')
          .filter((line) => line.startsWith('error: ')).length,
        1,
        stderr,
      );
    });
  }
});
