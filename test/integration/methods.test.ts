import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { methodNames } from '../../lib/methods/needs.js';
import { dpoLossTypes } from '../../lib/methods/config.js';
import { fixturePath } from '../parity/fixtures.js';
import { prospect, type Finished } from './prospect.js';

/** What a method is after: desirable completions above undesirable ones, or desirable ones likely. */
type Aim = 'rewards/margins' | 'logps/chosen';

interface Case {
  readonly name: string;
  readonly workers: 1 | 2;
  readonly rows: 'pairs' | 'labels' | 'scores';
  readonly aim: Aim;
  /** Of the stage, as in a run file. */
  readonly keys: { readonly method: string } & Readonly<Record<string, unknown>>;
}

interface MetricsLine extends Readonly<Partial<Record<Aim, number | null>>> {
  readonly stage: number;
  readonly step: number;
  readonly method: string;
  readonly loss: number;
}

const steps = 20;
/** In units of reward (what is left of the smallest, ORPO's, is 0.8) and in nats. */
const plainGain: Record<Aim, number> = { 'rewards/margins': 0.5, 'logps/chosen': 20 };

const unpaired = { workers: 2, rows: 'labels', aim: 'rewards/margins' } as const;
const paired = { workers: 1, rows: 'pairs', aim: 'rewards/margins' } as const;
const likelihood = { workers: 2, aim: 'logps/chosen' } as const;
const scale = { min: 1, max: 5, neutral: 3 };
const needLabelSmoothing = ['robust', 'exo_pair'];

const cases: readonly Case[] = [
  { name: 'kto', ...unpaired, keys: { method: 'kto' } },
  { name: 'kto, humanline', ...unpaired, keys: { method: 'kto', humanline: {} } },
  { name: 'kto, z0 as HALOs', ...unpaired, keys: { method: 'kto', z0_denominator: 'nonzero' } },
  { name: 'kto, automatic weight', ...unpaired, keys: { method: 'kto', desirable_weight: 'auto' } },
  { name: 'kto, scores', ...unpaired, rows: 'scores', keys: { method: 'kto', score_scale: scale } },
  { name: 'kto, LoRA', ...unpaired, keys: { method: 'kto', lora: {}, learning_rate: 3e-2 } },
  { name: 'apo_zero_unpaired', ...unpaired, keys: { method: 'apo_zero_unpaired' } },
  { name: 'ppo_clip', ...unpaired, keys: { method: 'ppo_clip' } },
  { name: 'ppo_clip, no critic', ...unpaired, keys: { method: 'ppo_clip', critic_coef: 0 } },
  ...dpoLossTypes.map((lossType) => ({
    name: `dpo, ${lossType}`,
    ...paired,
    keys: {
      method: 'dpo',
      loss_type: lossType,
      label_smoothing: needLabelSmoothing.includes(lossType) ? 0.1 : 0,
    },
  })),
  ...['cpo', 'simpo', 'orpo', 'slic'].map((method) => ({ name: method, ...paired, keys: { method } })),
  ...['sft', 'csft'].flatMap((method) =>
    (['labels', 'pairs'] as const).map((rows) => ({
      name: `${method}, ${rows}`,
      ...likelihood,
      rows,
      keys: { method },
    })),
  ),
];

/** Eight prompts, each with a desirable answer of some tokens and an undesirable one of others. */
const prompts = Array.from({ length: 8 }, (_, i) => {
  const answer = (first: number) => Array.from({ length: 4 + (i % 3) }, (_, t) => first + ((i + t) % 8));
  const prompt_ids = Array.from({ length: 3 + (i % 4) }, (_, t) => 100 + ((5 * i + 3 * t) % 40));
  return { prompt_ids, good: answer(20), bad: answer(60) };
});

const rowFiles = {
  pairs: prompts.map(({ prompt_ids, good, bad }) => ({ prompt_ids, chosen_ids: good, rejected_ids: bad })),
  // Half of the undesirable answers are missing, for automatic weights to make up for.
  labels: prompts.flatMap(({ prompt_ids, good, bad }, i) => [
    { prompt_ids, completion_ids: good, label: true },
    ...(i < 4 ? [{ prompt_ids, completion_ids: bad, label: false }] : []),
  ]),
  scores: prompts.flatMap(({ prompt_ids, good, bad }, i) => [
    { prompt_ids, completion_ids: good, score: 5 - (i % 2) },
    { prompt_ids, completion_ids: bad, score: 1 + (i % 3) },
  ]),
};

const model = fixturePath('models/llama');
const shared = {
  learning_rate: 3e-3,
  lr_schedule: 'constant',
  max_steps: steps,
  max_length: 128,
  shuffle: false,
  threads_per_worker: 1,
};

describe('every method', { timeout: 300_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'prospect-methods-'));
  after(() => rmSync(directory, { recursive: true }));
  for (const [name, rows] of Object.entries(rowFiles)) {
    writeFileSync(join(directory, `${name}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  }

  function train(name: string, runFile: object): Promise<Finished> {
    // JSON is YAML.
    writeFileSync(join(directory, `${name}.yaml`), JSON.stringify({ ...shared, ...runFile }));
    return prospect(['train', join(directory, `${name}.yaml`), '--out', join(directory, name)]);
  }

  describe(`trains for ${steps} steps and gets better at what it is after`, () => {
    const metrics = new Map<Case, MetricsLine[]>();

    /** Trains cases as stages of one run, each from the untrained model. A batch is the whole file. */
    async function trainAll(name: string, workers: number): Promise<void> {
      const own = cases.filter((one) => one.workers === workers);
      const stages = own.map(({ keys, rows }) => ({
        ...keys,
        model,
        data: { train: `${rows}.jsonl` },
        global_batch_size: rowFiles[rows].length,
      }));
      const { code, stderr } = await train(name, { workers, stages });
      assert.equal(code, 0, stderr);
      const text = readFileSync(join(directory, name, 'metrics.jsonl'), 'utf8');
      const lines = text.trimEnd().split('\n');
      const rows = lines.map((line) => JSON.parse(line) as MetricsLine);
      own.forEach((one, i) =>
        metrics.set(
          one,
          rows.filter(({ stage }) => stage === i + 1),
        ),
      );
    }
    before(() => Promise.all([trainAll('one-worker', 1), trainAll('two-workers', 2)]));

    for (const one of cases) {
      test(one.name, () => {
        const rows = metrics.get(one)!;
        assert.deepEqual(
          rows.map(({ step, method }) => [step, method]),
          Array.from({ length: steps }, (_, i) => [i + 1, one.keys.method]),
        );
        const [first, last] = [rows[0]!, rows.at(-1)!];
        const [from, to] = [first[one.aim], last[one.aim]];
        assert.ok(typeof from === 'number' && typeof to === 'number', `${one.aim}: ${from}, ${to}`);
        assert.ok(to - from > plainGain[one.aim], `${one.aim} went from ${from} to ${to}`);
        assert.ok(last.loss < first.loss, `the loss went from ${first.loss} to ${last.loss}`);
      });
    }

    test('no method is left out', () => {
      assert.deepEqual(new Set(cases.map(({ keys }) => keys.method)), new Set(methodNames));
    });
  });

  describe('refuses rows of another kind, and says how to convert them', { concurrency: true }, () => {
    const refused: readonly [method: string, rows: keyof typeof rowFiles, advice: RegExp][] = [
      ['dpo', 'labels', /one answer where a pair is needed.*"prospect data convert --to preference"/],
      ['simpo', 'scores', /one answer where a pair is needed.*"prospect data convert --to preference"/],
      [
        'kto',
        'pairs',
        /a pair, chosen and rejected, where one answer is needed.*"prospect data convert --to binary"/,
      ],
      ['apo_zero_unpaired', 'scores', /label is missing where there is a score.*--to binary --threshold"/],
    ];
    for (const [method, rows, advice] of refused) {
      test(`${method}, ${rows}`, async () => {
        const name = `refused-${method}`;
        const { code, stderr } = await train(name, { method, model, data: { train: `${rows}.jsonl` } });
        assert.equal(code, 2, stderr);
        const errors = stderr.split('\n').filter((line) => line.startsWith('error: '));
        assert.equal(errors.length, 1, stderr);
        assert.match(errors[0]!, new RegExp(`${rows}\\.jsonl:1: `));
        assert.match(errors[0]!, advice);
        assert.ok(!existsSync(join(directory, name)));
      });
    }
  });
});
