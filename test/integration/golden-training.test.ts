import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openSafetensors } from '../../lib/safetensors/checkpoint.js';
import { fixturePath, readFixture } from '../parity/fixtures.js';
import { prospect, temporaryDirectory } from './prospect.js';

interface GoldenRun {
  readonly hyper: {
    readonly beta: number;
    readonly desirable_weight: number;
    readonly undesirable_weight: number;
    readonly lr: number;
  };
  readonly labels: boolean[];
  readonly prompt_ids: number[][];
  readonly completion_ids: number[][];
  readonly steps: {
    readonly loss: number;
    readonly kl: number;
    readonly micro: readonly { readonly kl_local_before_clamp: number; readonly rewards: number[] }[];
    readonly grad_norm: number;
    readonly rewards_chosen: number;
    readonly rewards_rejected: number;
  }[];
  readonly noisy_tensors: Record<string, unknown>;
}

type Metrics = Record<string, number | null>;

function modelDirectory(directory: string, weights: string): string {
  mkdirSync(directory);
  for (const file of ['config.json', 'tokenizer.json', 'tokenizer_config.json']) {
    copyFileSync(fixturePath(`models/llama/${file}`), join(directory, file));
  }
  copyFileSync(fixturePath(weights), join(directory, 'model.safetensors'));
  return directory;
}

function writeRows(file: string, run: GoldenRun): void {
  const rows = run.labels.map((label, i) => ({
    prompt_ids: run.prompt_ids[i],
    completion_ids: run.completion_ids[i],
    label,
  }));
  writeFileSync(file, rows.map((row) => JSON.stringify(row)).join('\n') + '\n');
}

function readMetrics(file: string): Metrics[] {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Metrics);
}

function readTensors(file: string): Map<string, Float32Array> {
  const checkpoint = openSafetensors(file);
  try {
    return new Map(
      [...checkpoint.tensors.values()].map(({ name, shape }) => {
        const values = new Float32Array(shape.reduce((product, dimension) => product * dimension, 1));
        checkpoint.read(name, values);
        return [name, values];
      }),
    );
  } finally {
    checkpoint.close();
  }
}

function within(actual: number | null | undefined, expected: number, tolerance: number, what: string): void {
  assert.ok(typeof actual === 'number', `${what} is ${actual}`);
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual}, golden ${expected}`);
}

/** The parity README's rule for weights: 1e-5 for 99.9 % of a tensor's entries, all within lr × steps. */
function compareWeights(trained: string, golden: string, run: GoldenRun): void {
  const ours = readTensors(trained);
  const theirs = readTensors(golden);
  assert.deepEqual([...ours.keys()].sort(), [...theirs.keys()].sort());
  const reach = run.hyper.lr * run.steps.length;
  for (const [name, expected] of theirs) {
    const actual = ours.get(name)!;
    const differences = Array.from(expected, (value, i) => Math.abs(value - actual[i]!));
    const worst = differences.reduce((a, b) => Math.max(a, b), 0);
    assert.ok(worst <= reach, `${name} is off by ${worst}`);
    if (name in run.noisy_tensors) continue;
    const far = differences.filter((difference) => difference > 1e-5).length;
    assert.ok(
      far <= differences.length / 1000,
      `${name}: ${far} of ${differences.length} entries are off by more than 1e-5`,
    );
  }
}

interface Golden {
  readonly arch: 'llama' | 'gpt_neox';
  /** Weights of the policy, where it does not start from the reference. */
  readonly start?: string;
  /** Further lines of the run file. */
  readonly keys?: readonly string[];
  /** What the trained weights are compared with, and the file in `model/` that holds them. */
  readonly final: string;
  readonly trained: 'model.safetensors' | 'adapter_model.safetensors';
}

const weights = { trained: 'model.safetensors' } as const;
const goldenRuns: Readonly<Record<string, Golden>> = {
  train_llama_full: { arch: 'llama', final: 'weights_step5.safetensors', ...weights },
  train_llama_perturbed: {
    arch: 'llama',
    start: 'policy_init.safetensors',
    final: 'weights_step5.safetensors',
    ...weights,
  },
  train_gpt_neox_full: { arch: 'gpt_neox', final: 'weights_step5.safetensors', ...weights },
  train_llama_lora: {
    arch: 'llama',
    keys: [`adapter: ${fixturePath('golden/train_llama_lora/adapter_init')}`, 'reference: base'],
    final: 'adapter_final/adapter_model.safetensors',
    trained: 'adapter_model.safetensors',
  },
};

describe('golden training runs', () => {
  for (const [index, [name, { arch, start, keys, final, trained }]] of Object.entries(goldenRuns).entries()) {
    test(`${name} with one worker and with two`, async (t) => {
      const run = readFixture(`golden/${name}.json`) as GoldenRun;
      const directory = temporaryDirectory(t);
      const reference = fixturePath(`models/${arch}`);
      const model =
        start === undefined
          ? reference
          : modelDirectory(join(directory, 'policy'), `golden/${name}/${start}`);
      writeRows(join(directory, 'rows.jsonl'), run);
      const lines = [
        `model: ${model}`,
        ...(keys ?? [`reference: ${reference}`]),
        'method: kto',
        `beta: ${run.hyper.beta}`,
        `desirable_weight: ${run.hyper.desirable_weight}`,
        `undesirable_weight: ${run.hyper.undesirable_weight}`,
        `learning_rate: ${run.hyper.lr}`,
        'lr_schedule: constant',
        'global_batch_size: 16',
        'micro_batch_size: 4',
        `share_prompts: ${index % 2 === 0}`,
        `max_steps: ${run.steps.length}`,
        'shuffle: false',
        'threads_per_worker: 1',
        'data: { train: rows.jsonl, eval: rows.jsonl }',
        'eval_steps: 1',
      ];
      writeFileSync(join(directory, 'run.yaml'), `${lines.join('\n')}\n`);
      const digests = new Set<string>();
      for (const workers of ['1', '2']) {
        const out = join(directory, `out-${workers}`);
        const { code, stderr } = await prospect([
          'train',
          join(directory, 'run.yaml'),
          '--workers',
          workers,
          '--out',
          out,
        ]);
        assert.equal(code, 0, stderr);
        compareMetrics(readMetrics(join(out, 'metrics.jsonl')), run, `${workers} workers`);
        compareEvaluations(readMetrics(join(out, 'evaluations.jsonl')), run, `${workers} workers`);
        if (start === undefined) {
          const [first] = readMetrics(join(out, 'metrics.jsonl'));
          assert.deepEqual(
            [first!['kl'], first!['kl_unclamped']],
            [0, 0],
            'at step 1 the policy is the reference, bit for bit',
          );
        }
        compareWeights(join(out, 'model', trained), fixturePath(`golden/${name}/${final}`), run);
        digests.add(
          createHash('sha256')
            .update(readFileSync(join(out, 'model', trained)))
            .digest('hex'),
        );
      }
      assert.equal(digests.size, 1, 'the weights depend on the number of workers');
    });
  }
});

/** Judged by all rows after step s, the policy is the one that the golden run's step s + 1 takes its loss of. */
function compareEvaluations(rows: readonly Metrics[], run: GoldenRun, who: string): void {
  assert.equal(rows.length, run.steps.length + 1);
  run.steps.forEach((expected, step) => {
    const row = rows[step]!;
    const at = `${who}, judged after step ${step}`;
    assert.deepEqual([row['step'], row['rows']], [step, run.labels.length]);
    within(row['eval_loss'], expected.loss, 1e-5, `${at}: loss`);
    within(row['eval_kl'], expected.kl, 1e-3, `${at}: kl`);
    within(row['eval_rewards/chosen'], expected.rewards_chosen, 1e-3, `${at}: rewards/chosen`);
    within(row['eval_rewards/rejected'], expected.rewards_rejected, 1e-3, `${at}: rewards/rejected`);
    const [{ rewards }] = expected.micro as [GoldenRun['steps'][number]['micro'][number]];
    const isRight = rewards.map((reward, i) => {
      const gain = reward - run.hyper.beta * expected.kl;
      return run.labels[i] === true ? gain > 0 : gain < 0;
    });
    const share = isRight.filter((right) => right).length / isRight.length;
    // Before the first step all of them lie on the border, where the last bits decide.
    if (expected.kl !== 0) within(row['eval_rewards/accuracies'], share, 1e-9, `${at}: accuracies`);
  });
}

function compareMetrics(metrics: readonly Metrics[], run: GoldenRun, who: string): void {
  assert.equal(metrics.length, run.steps.length);
  metrics.forEach((row, i) => {
    const expected = run.steps[i]!;
    const at = `${who}, step ${i + 1}`;
    assert.equal(row['step'], i + 1);
    within(row['loss'], expected.loss, 1e-5, `${at}: loss`);
    within(row['kl'], expected.kl, 1e-3, `${at}: kl`);
    const [{ kl_local_before_clamp: unclamped }] = expected.micro as [
      GoldenRun['steps'][number]['micro'][number],
    ];
    within(row['kl_unclamped'], unclamped, 1e-3, `${at}: kl_unclamped`);
    within(row['rewards/chosen'], expected.rewards_chosen, 1e-3, `${at}: rewards/chosen`);
    within(row['rewards/rejected'], expected.rewards_rejected, 1e-3, `${at}: rewards/rejected`);
    within(row['grad_norm'], expected.grad_norm, 1e-4 * expected.grad_norm, `${at}: grad_norm`);
  });
}
