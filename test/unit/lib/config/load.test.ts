import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import fc from 'fast-check';

import { loadRunFile, parseRunFile } from '../../../../lib/config/load.js';
import type { RunConfig, StageConfig } from '../../../../lib/config/types.js';
import { ConfigError } from '../../../../lib/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'prospect-config-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const MINIMAL = 'method: kto\nmodel: models/base\ndata: {train: rows.jsonl}\n';

function parse(text: string, ...set: string[]): RunConfig {
  return parseRunFile(text, 'run.yaml', { baseDir: '/base', cores: 8, set });
}

const stagesOf = (text: string, ...set: string[]) => parse(text, ...set).stages;
const onlyStage = (text: string, ...set: string[]): StageConfig => {
  const { stages } = parse(text, ...set);
  assert.equal(stages.length, 1);
  return stages[0];
};

const betaOf = ({ objective }: StageConfig) => ('beta' in objective ? objective.beta : null);
const objectiveOf = (method: string, keys = '') =>
  onlyStage(`method: ${method}\nmodel: m\ndata: {train: t}\n${keys}`).objective;
const METHODS = 'kto, apo_zero_unpaired, ppo_clip, dpo, cpo, simpo, orpo, slic, sft, csft';

/** Asserts that the text is refused, with exactly these lines. */
function refuses(text: string, set: readonly string[], ...lines: string[]): void {
  assert.throws(
    () => parse(text, ...set),
    (error) => {
      assert.ok(error instanceof ConfigError, String(error));
      assert.deepEqual(error.message.split('\n'), lines);
      return true;
    },
  );
}

describe('a run file', () => {
  it('takes the defaults of TRL', () => {
    assert.deepEqual(parse(MINIMAL), {
      workers: 1,
      threadsPerWorker: 8,
      minWorkers: 1,
      maxRestarts: 5,
      saveSteps: 100,
      saveTotalLimit: 2,
      stages: [
        {
          objective: {
            method: 'kto',
            beta: 0.1,
            desirableWeight: 1,
            undesirableWeight: 1,
            z0Denominator: 'all',
            humanline: null,
            scoreScale: null,
          },
          model: '/base/models/base',
          adapter: null,
          lora: null,
          reference: null,
          data: { train: '/base/rows.jsonl', eval: null },
          learningRate: 1e-6,
          lrSchedule: 'linear',
          warmupSteps: 0,
          adamBeta1: 0.9,
          adamBeta2: 0.999,
          adamEpsilon: 1e-8,
          weightDecay: 0,
          maxGradNorm: 1,
          onNonfinite: 'fail',
          evalSteps: 0,
          samples: null,
          maxSteps: null,
          epochs: 3,
          globalBatchSize: 16,
          microBatchSize: 4,
          activationMemoryGib: null,
          sharePrompts: false,
          maxLength: 1024,
          maxPromptLength: 512,
          shuffle: true,
          seed: 42,
        },
      ],
    });
    assert.equal(onlyStage(MINIMAL.replace('kto', 'sft')).learningRate, 2e-5);
  });

  it("takes TRL's defaults for each method, and HALOs' for what TRL lacks", () => {
    const weights = { desirableWeight: 1, undesirableWeight: 1 };
    assert.deepEqual(objectiveOf('apo_zero_unpaired'), {
      method: 'apo_zero_unpaired',
      beta: 0.1,
      ...weights,
    });
    assert.deepEqual(objectiveOf('ppo_clip'), {
      method: 'ppo_clip',
      clipRange: 0.5,
      klCoef: 0.1,
      gamma: 0.99,
      lam: 0.95,
      criticCoef: 0.01,
    });
    assert.deepEqual(objectiveOf('dpo'), {
      method: 'dpo',
      lossType: 'sigmoid',
      beta: 0.1,
      labelSmoothing: 0,
    });
    assert.deepEqual(objectiveOf('cpo'), { method: 'cpo', beta: 0.1, labelSmoothing: 0, cpoAlpha: 1 });
    assert.deepEqual(objectiveOf('simpo'), { method: 'simpo', beta: 0.1, simpoGamma: 0.5 });
    assert.deepEqual(objectiveOf('orpo'), { method: 'orpo', beta: 0.1 });
    assert.deepEqual(objectiveOf('slic'), { method: 'slic', beta: 1, lambdaCoef: 0.1 });
    assert.deepEqual(objectiveOf('sft'), { method: 'sft' });
    assert.deepEqual(objectiveOf('csft'), {
      method: 'csft',
      desirableControl: '<|good|>',
      undesirableControl: '<|bad|>',
    });
    const kto = objectiveOf('kto', 'humanline: {}\nscore_scale: {min: 1, max: 5, neutral: 3}\n');
    assert.ok(kto.method === 'kto');
    assert.deepEqual(kto.humanline, { logEpsilonP: -1, logEpsilonR: 1.5 });
    assert.deepEqual(kto.scoreScale, { min: 1, max: 5, neutral: 3 });
  });

  it('gives every method the keys that it reads, of those that stand above the stages', () => {
    const [kto, cpo, orpo] = stagesOf(`
model: m
data: {train: t}
beta: 0.3
desirable_weight: auto
label_smoothing: 0.2
reference: frozen
stages: [{method: kto, undesirable_weight: 2}, {method: cpo}, {method: orpo, beta: 0.4}]
`);
    assert.ok(kto.objective.method === 'kto');
    assert.deepEqual(
      [kto.objective.beta, kto.objective.desirableWeight, kto.objective.undesirableWeight],
      [0.3, 'auto', 2],
    );
    assert.deepEqual(cpo!.objective, { method: 'cpo', beta: 0.3, labelSmoothing: 0.2, cpoAlpha: 1 });
    assert.deepEqual(orpo!.objective, { method: 'orpo', beta: 0.4 });
    assert.deepEqual([kto.reference, cpo!.reference], [{ directory: '/base/frozen' }, null]);
  });

  it('starts from an adapter, or trains a fresh one', () => {
    const text = `${MINIMAL}lora: {r: 4, target_modules: [q_proj, v_proj]}\n`;
    const lora = { r: 4, alpha: 32, targetModules: ['q_proj', 'v_proj'], dropout: 0 };
    assert.deepEqual(onlyStage(text).lora, lora);
    assert.deepEqual(onlyStage(`${MINIMAL}lora: {}\n`).lora, {
      r: 16,
      alpha: 32,
      targetModules: 'all-linear',
      dropout: 0,
    });
    const [first, second] = stagesOf(`${text}stages: [{adapter: a, reference: base}, {}, {lora: null}]\n`);
    assert.deepEqual([first.lora, first.adapter, first.reference], [null, '/base/a', 'base']);
    assert.deepEqual([second!.lora, second!.adapter], [lora, null]);
    const set = onlyStage(text, 'adapter=a', 'reference=./base');
    assert.deepEqual([set.lora, set.adapter, set.reference], [null, '/base/a', { directory: '/base/base' }]);
    assert.equal(onlyStage(`${MINIMAL}adapter: a\n`, 'lora={}').adapter, null);
    assert.deepEqual(
      stagesOf(`${MINIMAL}adapter: a\nstages: [{}, {}, {adapter: b}]\n`).map(({ adapter }) => adapter),
      ['/base/a', null, '/base/b'],
    );
  });

  it('derives sizes that follow from others', () => {
    const stage = onlyStage(`${MINIMAL}max_length: 257\nglobal_batch_size: 3\n`);
    assert.equal(stage.maxPromptLength, 128);
    assert.equal(stage.microBatchSize, 3);
  });

  it('shares the cores out among the workers, at least one each', () => {
    assert.equal(parse(`${MINIMAL}workers: 3\n`).threadsPerWorker, 2);
    assert.equal(parse(`${MINIMAL}workers: 9\nthreads_per_worker: auto\n`).threadsPerWorker, 1);
    assert.equal(parse(`${MINIMAL}workers: 9\nthreads_per_worker: 5\n`).threadsPerWorker, 5);
  });

  it('wants no more workers at least than there are', () => {
    assert.equal(parse(`${MINIMAL}workers: 3\nmin_workers: 3\n`).minWorkers, 3);
    assert.throws(
      () => parse(`${MINIMAL}workers: 3\nmin_workers: 4\n`),
      /min_workers: must be at most workers \(3\), not 4/,
    );
    assert.throws(() => parse(`${MINIMAL}min_workers: 2\n`), /must be at most workers \(1\), not 2/);
  });

  it('reads numbers in every notation of YAML 1.2', () => {
    const stage = onlyStage(`${MINIMAL}learning_rate: 5e-7\nbeta: .5\nseed: 0x10\nmax_grad_norm: 0\n`);
    assert.deepEqual([stage.learningRate, betaOf(stage), stage.seed, stage.maxGradNorm], [5e-7, 0.5, 16, 0]);
  });

  it('lets stages override what stands above them', () => {
    const [sft, kto] = stagesOf(`
model: base
reference: frozen
learning_rate: 1e-4
beta: 0.3
max_steps: 7
data: {train: a.jsonl, eval: held.jsonl}
stages:
  - {method: sft, epochs: 2, data: {train: b.jsonl}}
  - {method: kto, learning_rate: 1e-5, data: {eval: null}}
`);
    assert.equal(sft.model, '/base/base');
    assert.deepEqual(sft.data, { train: '/base/b.jsonl', eval: '/base/held.jsonl' });
    assert.deepEqual([sft.maxSteps, sft.epochs, sft.learningRate], [null, 2, 1e-4]);
    assert.deepEqual([sft.reference, sft.objective], [null, { method: 'sft' }]);
    assert.equal(kto!.model, null);
    assert.deepEqual(kto!.data, { train: '/base/a.jsonl', eval: null });
    assert.deepEqual([kto!.maxSteps, kto!.learningRate, betaOf(kto!)], [7, 1e-5, 0.3]);
    assert.deepEqual(kto!.reference, { directory: '/base/frozen' });
  });

  it('starts a later stage elsewhere only where the stage says so', () => {
    const text =
      'model: base\nmethod: kto\ndata: {train: a}\nstages: [{}, {model: other, reference: null}, {}]\n';
    assert.deepEqual(
      stagesOf(text).map(({ model }) => model),
      ['/base/base', '/base/other', null],
    );
  });

  it('goes back to epochs where a stage empties max_steps', () => {
    const text = `${MINIMAL}max_steps: 5\nstages: [{}, {max_steps: null}, {max_steps: null, epochs: 1}]\n`;
    assert.deepEqual(
      stagesOf(text).map(({ maxSteps, epochs }) => [maxSteps, epochs]),
      [
        [5, 3],
        [null, 3],
        [null, 1],
      ],
    );
  });

  it('resolves aliases', () => {
    const [first, second] = stagesOf(
      `${MINIMAL}stages:\n- &a {seed: 1, data: {train: x}}\n- *a\n`,
      'stages.1.seed=2',
    );
    assert.deepEqual([first.seed, second!.seed, second!.data.train], [1, 2, '/base/x']);
  });

  it('is read from its own folder', () => {
    const path = join(folder, 'run.yaml');
    writeFileSync(path, `\ufeff${MINIMAL.replaceAll('\n', '\r\n')}`);
    const [stage] = loadRunFile(path, { cores: 1 }).stages;
    assert.equal(stage.model, join(folder, 'models/base'));
    mkdirSync(join(folder, 'folder'));
    writeFileSync(join(folder, 'latin1.yaml'), Buffer.from('model: caf\xe9', 'latin1'));
    for (const name of ['folder', 'absent.yaml', 'latin1.yaml']) {
      assert.throws(
        () => loadRunFile(join(folder, name), {}),
        (error) =>
          error instanceof ConfigError && error.message.startsWith(`${join(folder, name)}: cannot be read (`),
      );
    }
  });
});

describe('--set', () => {
  it('wins over the file and its stages', () => {
    const text = `${MINIMAL}beta: 0.2\nstages: [{beta: 0.3, data: {train: own, eval: e}}, {beta: 0.4}]\n`;
    const stages = stagesOf(text, 'beta=0.5', 'data.train=new', 'stages.1.seed=7', 'workers=2');
    assert.deepEqual(
      stages.map((stage) => [betaOf(stage), stage.data.train, stage.data.eval, stage.seed]),
      [
        [0.5, '/base/new', '/base/e', 42],
        [0.5, '/base/new', null, 7],
      ],
    );
    const overridden = stagesOf(text, 'stages.1.beta=0.6', 'beta=0.5');
    assert.deepEqual(overridden.map(betaOf), [0.5, 0.6]);
    assert.deepEqual(
      stagesOf(text, 'stages=[{seed: 1}]').map(({ seed }) => seed),
      [1],
    );
  });

  it('adds what the file lacks, and takes the last of two', () => {
    const stage = onlyStage('method: kto', 'model=m', 'data.train=a=b', 'seed=1', 'seed=2');
    assert.deepEqual([stage.model, stage.data.train, stage.seed], ['/base/m', '/base/a=b', 2]);
  });

  it('decides alone how long to train', () => {
    const text = `${MINIMAL}epochs: 2\nstages: [{epochs: 4}, {}]\n`;
    assert.deepEqual(
      stagesOf(text, 'max_steps=9').map(({ maxSteps }) => maxSteps),
      [9, 9],
    );
    assert.deepEqual(
      stagesOf(text, 'stages.0.max_steps=9').map(({ maxSteps, epochs }) => [maxSteps, epochs]),
      [
        [9, 3],
        [null, 2],
      ],
    );
    assert.equal(onlyStage(`${MINIMAL}max_steps: 9\n`, 'epochs=1').maxSteps, null);
    assert.equal(onlyStage(`${MINIMAL}epochs: 5\n`, 'max_steps=').epochs, 5);
    const both =
      '--set epochs: stands beside max_steps, which says how long to train too; remove one of them';
    refuses(text, ['max_steps=9', 'epochs=1'], both);
  });

  it('is named where it is to blame', () => {
    refuses(MINIMAL, ['beta=0'], '--set beta: must be greater than 0, not 0');
    refuses(MINIMAL, ['data.train=5'], '--set data.train: must be text, not 5');
    refuses(MINIMAL, ['data={train: 5}'], '--set data: data.train: must be text, not 5');
    refuses(MINIMAL, ['betta=1'], '--set betta: unknown key; did you mean beta?');
    refuses(MINIMAL, ['data.trian=x'], '--set data.trian: unknown key; did you mean train?');
    refuses(MINIMAL, ['beta=[1'], '--set beta: not valid YAML: Flow sequence must end with a ]');
    refuses(MINIMAL, ['beta'], '--set beta: must be KEY=VALUE, such as beta=0.1');
    refuses(MINIMAL, ['=1'], '--set =1: must be KEY=VALUE, such as beta=0.1');
    refuses(MINIMAL, ['stages.0.beta=1'], '--set stages.0.beta: there is no "stages" to set');
    const staged = `${MINIMAL}stages: [{}]\n`;
    refuses(
      staged,
      ['stages.1.beta=1'],
      '--set stages.1.beta: there is no list item 1; it has 1, counted from 0',
    );
    refuses(staged, ['stages.1={}'], '--set stages.1: there is no list item 1; it has 1, counted from 0');
    refuses(
      staged,
      ['stages.length=0'],
      '--set stages.length: there is no list item length; it has 1, counted from 0',
    );
    refuses(staged, ['stages=[{beta: -1}]'], '--set stages: stages.0.beta: must be greater than 0, not -1');
    refuses(MINIMAL, ['method.name=kto'], '--set method.name: there is no "name" to set');
    refuses(
      `${MINIMAL}max_prompt_length: 9\n`,
      ['max_length=8'],
      'run.yaml:4: max_prompt_length: must be less than max_length (8), not 9',
    );
  });
});

describe('a wrong run file', () => {
  it('is told everything at once, line by line', () => {
    refuses(
      `# a comment
modle: x
learningRate: 1e-3
num_train_epochs: 2
beta: -1
micro_batch_size: 99
max_length: abc
max_prompt_length: 2000
adam_beta1: 1
adam_beta2: -0.1
warmup_steps: 1.5
shuffle: yes
data: 3
seed: -1
threads_per_worker: many
epochs: 3
max_steps: 2
lr_schedule: linar
weight_decay: .inf
stages:
  - method: sft
    beta: 1
    workers: 3
    data: {trian: x}
  - method: rlhf
`,
      [],
      'run.yaml:2: modle: unknown key; did you mean model?',
      'run.yaml:3: learningRate: unknown key; did you mean learning_rate?',
      'run.yaml:4: num_train_epochs: unknown key; did you mean epochs?',
      'run.yaml:5: beta: must be greater than 0, not -1',
      'run.yaml:6: micro_batch_size: must be at most global_batch_size (16), not 99',
      'run.yaml:7: max_length: must be a number, not "abc"',
      'run.yaml:9: adam_beta1: must be less than 1, not 1',
      'run.yaml:10: adam_beta2: must be at least 0, not -0.1',
      'run.yaml:11: warmup_steps: must be a whole number, not 1.5',
      'run.yaml:12: shuffle: must be true or false, not "yes"',
      'run.yaml:13: data: must be a map of keys and values (train, eval), not 3',
      'run.yaml:14: seed: must be at least 0, not -1',
      'run.yaml:15: threads_per_worker: must be a whole number of at least 1, or auto, not "many"',
      'run.yaml:16: epochs: stands beside max_steps, which says how long to train too; remove one of them',
      'run.yaml:18: lr_schedule: must be one of constant, linear, cosine, not "linar"',
      'run.yaml:19: weight_decay: must be a number, not Infinity',
      'run.yaml:23: stages.0.workers: belongs to the whole run; move it to the top of the file',
      'run.yaml:24: stages.0.data.trian: unknown key; did you mean train?',
      `run.yaml:25: stages.1.method: must be one of ${METHODS}, not "rlhf"`,
    );
  });

  it('lacks method, model or data', () => {
    refuses(
      'workers: 1',
      [],
      `run.yaml:1: method is missing; write "method: kto", or another of ${METHODS}`,
      'run.yaml:1: model is missing; write the Hugging Face directory to start from',
      'run.yaml:1: data.train is missing; write the JSONL file to train on',
    );
    refuses(
      'model: m\nstages:\n- method: sft\n  data:\n    train: a\n- data: {eval: e}\n',
      [],
      `run.yaml:6: stages.1: method is missing; write "method: kto", or another of ${METHODS}`,
      'run.yaml:6: stages.1.data: data.train is missing; write the JSONL file to train on',
    );
  });

  it('has values that do not go together', () => {
    const cases: [string, string][] = [
      [
        'micro_batch_size: 8\nglobal_batch_size: 4',
        'run.yaml:4: micro_batch_size: must be at most global_batch_size (4), not 8',
      ],
      [
        'max_length: 64\nmax_prompt_length: 64',
        'run.yaml:5: max_prompt_length: must be less than max_length (64), not 64',
      ],
      [
        'warmup_steps: 10\nmax_steps: 10',
        'run.yaml:4: warmup_steps: must be less than max_steps (10), not 10',
      ],
      [
        'desirable_weight: 0\nundesirable_weight: 0',
        'run.yaml:4: desirable_weight: is 0, and so is undesirable_weight: no example would count; raise one',
      ],
      [
        'global_batch_size: 1',
        'run.yaml:4: global_batch_size: must be at least 2 for kto, whose mismatched completions come from the same batch; not 1',
      ],
      ['max_length: 1', 'run.yaml:4: max_length: must be at least 2, not 1'],
      ['max_steps: 3000000000', 'run.yaml:4: max_steps: must be at most 2147483647, not 3000000000'],
      ['reference: ""', 'run.yaml:4: reference: must not be empty'],
      ['reference: "a\\0b"', 'run.yaml:4: reference: must not contain a NUL character, not "a b"'],
      [
        'reference: hf:gpt2',
        'run.yaml:4: reference: must be hf:OWNER/NAME, hf:OWNER/NAME@REVISION or hf:datasets/OWNER/NAME/PATH, not "hf:gpt2"',
      ],
      ['adapter: s3://bucket', 'run.yaml:4: adapter: must be s3://BUCKET/KEY, not "s3://bucket"'],
      ['stages: []', 'run.yaml:4: stages: must not be empty'],
      ['stages: {}', 'run.yaml:4: stages: must be a list, not a map'],
      ['stages: [kto]', 'run.yaml:4: stages.0: must be a map of keys and values, not "kto"'],
      ['beta:', 'run.yaml:4: beta: must be a number, not empty'],
      ['lora:', 'run.yaml:4: lora: is empty; write {} for its defaults, or null for none'],
      ['adapter: # later', 'run.yaml:4: adapter: is empty; write null for none'],
      ['beta: []', 'run.yaml:4: beta: must be a number, not a list'],
    ];
    for (const [lines, message] of cases) refuses(`${MINIMAL}${lines}\n`, [], message);
  });

  it('says the same of the top only once, however many stages inherit it', () => {
    refuses(
      `${MINIMAL}warmup_steps: 5\nmax_steps: 5\nstages: [{}, {}, {warmup_steps: 6}]\n`,
      [],
      'run.yaml:4: warmup_steps: must be less than max_steps (5), not 5',
      'run.yaml:6: stages.2.warmup_steps: must be less than max_steps (5), not 6',
    );
  });

  it('may not have keys that nothing reads', () => {
    const sft = MINIMAL.replace('kto', 'sft');
    refuses(
      `${sft}z0_denominator: all\n`,
      [],
      'run.yaml:4: z0_denominator: only method kto reads it, and no stage uses that; remove it',
    );
    refuses(
      `${sft}label_smoothing: 0.1\n`,
      [],
      'run.yaml:4: label_smoothing: only methods dpo and cpo read it, and no stage uses one of them; remove it',
    );
    refuses(
      `${MINIMAL}beta: 0.1\nstages:\n- method: sft\n  reference: r\n- {cliprange: 0.2}\n`,
      [],
      'run.yaml:7: stages.0.reference: only methods kto, apo_zero_unpaired, ppo_clip and dpo read it, and this stage uses sft; remove it',
      'run.yaml:8: stages.1.cliprange: only method ppo_clip reads it, and this stage uses kto; remove it',
    );
    refuses(
      `${MINIMAL.replace('kto', 'orpo')}desirable_weight: auto\nloss_type: hinge\n`,
      [],
      'run.yaml:4: desirable_weight: only methods kto and apo_zero_unpaired read it, and no stage uses one of them; remove it',
      'run.yaml:5: loss_type: only method dpo reads it, and no stage uses that; remove it',
    );
    assert.equal(onlyStage(`${sft}reference: null\n`).reference, null);
  });

  it('has settings of its method that do not go together', () => {
    const cases: [method: string, lines: string, message: string][] = [
      [
        'kto',
        'desirable_weight: many',
        'desirable_weight: must be a number of at least 0, or auto, not "many"',
      ],
      [
        'kto',
        'desirable_weight: auto\nundesirable_weight: auto',
        'desirable_weight: is auto, and so is undesirable_weight; give one of them a number, such as 1',
      ],
      [
        'apo_zero_unpaired',
        'undesirable_weight: auto\ndesirable_weight: 0',
        'undesirable_weight: is auto beside a weight of 0, which would make it 0 too; raise that one',
      ],
      [
        'kto',
        'humanline: {log_epsilon_p: 2}',
        'humanline: log_epsilon_p (2) must be less than log_epsilon_r (1.5)',
      ],
      [
        'kto',
        'humanline: true',
        'humanline: must be a map of keys and values (log_epsilon_p, log_epsilon_r), not true',
      ],
      [
        'kto',
        'humanline: {log_epsilon_R: 2}',
        'humanline.log_epsilon_R: unknown key; did you mean log_epsilon_r?',
      ],
      [
        'kto',
        'score_scale: {min: 1, max: 5}',
        'score_scale: must have min, max and neutral, such as {min: 1, max: 5, neutral: 3}',
      ],
      [
        'kto',
        'score_scale: {min: 1, max: 5, neutral: 6}',
        'score_scale: must have min ≤ neutral ≤ max and min < max, not 1, 6 and 5',
      ],
      [
        'kto',
        'score_scale: {min: 1, max: 5, neutral: good}',
        'score_scale.neutral: must be a number, not "good"',
      ],
      [
        'dpo',
        'loss_type: exo_pair',
        'loss_type: exo_pair needs a label_smoothing greater than 0; its paper recommends 0.001',
      ],
      [
        'dpo',
        'label_smoothing: 0\nloss_type: exo_pair',
        'label_smoothing: exo_pair needs a label_smoothing greater than 0; its paper recommends 0.001',
      ],
      [
        'dpo',
        'label_smoothing: 0.1\nloss_type: hinge',
        'label_smoothing: loss_type hinge does not read it; remove it',
      ],
      ['cpo', 'label_smoothing: 0.5', 'label_smoothing: must be less than 0.5, not 0.5'],
      ['ppo_clip', 'gamma: 1.5', 'gamma: must be at most 1, not 1.5'],
      [
        'csft',
        'undesirable_control: <|good|>',
        'undesirable_control: is the same as desirable_control, which tells nothing apart; change one',
      ],
      [
        'csft',
        'chosen_control_token: x',
        'chosen_control_token: unknown key; did you mean desirable_control?',
      ],
      [
        'dpo',
        'reference: base',
        'reference: is base, the model without its adapter, and the stage has no adapter key; remove it, or write ./base for a directory of that name',
      ],
      [
        'dpo',
        'adapter: a\nlora: {}',
        'adapter: stands beside lora, which trains a fresh adapter; remove one of them',
      ],
      ['dpo', 'lora: {dropout: 0.1}', 'lora.dropout: must be 0, not 0.1'],
      [
        'dpo',
        'lora: {target_modules: all}',
        'lora.target_modules: must be all-linear or a list of module names such as q_proj, not "all"',
      ],
      ['dpo', 'lora: {rank: 4}', 'lora.rank: unknown key; did you mean r?'],
      [
        'dpo',
        'lora: {bias: none}',
        'lora.bias: unknown key; the keys here are r, alpha, target_modules, dropout',
      ],
    ];
    for (const [method, lines, message] of cases) {
      refuses(`${MINIMAL.replace('kto', method)}${lines}\n`, [], `run.yaml:4: ${message}`);
    }
  });

  it('is not YAML, or YAML that no run file needs', () => {
    refuses('', [], 'run.yaml:1: must hold keys and values, such as "method: kto"');
    refuses('- method: kto', [], 'run.yaml:1: must hold keys and values, such as "method: kto"');
    refuses(
      'a: 1\nb: {\n',
      [],
      'run.yaml:3: not valid YAML: Flow map in block collection must be sufficiently indented and end with a }',
    );
    refuses('a: 1\nb: 2\na: 3\n', [], 'run.yaml:3: a: is given twice; remove one');
    refuses(
      '1: a\n? [b]\n: c\n',
      [],
      'run.yaml:1: has a key that is not plain text',
      'run.yaml:2: has a key that is not plain text',
    );
    refuses('a: !secret b\n', [], 'run.yaml:1: not valid YAML: Unresolved tag: !secret');
    refuses(`a: &a [*a]`, [], 'run.yaml:1: a.0.0.0.0.0.0.0.0.0.0: is nested deeper than 10 levels');
    refuses(' '.repeat(300_000), [], 'run.yaml:1: is longer than 262144 characters');
  });

  it('may not multiply itself', () => {
    const level = (name: string, of: string) => `${name}: &${name} [${Array(10).fill(of).join(', ')}]\n`;
    const bomb = level('a', '1') + level('b', '*a') + level('c', '*b') + level('d', '*c') + level('e', '*d');
    refuses(bomb, [], 'run.yaml:1: d.7.0.7.1: has more than 10000 values');
  });

  it('may be long and senseless: the first 50 problems are shown', () => {
    const text = Array.from({ length: 60 }, (_, index) => `k${index}: 1`).join('\n');
    assert.throws(
      () => parse(`${MINIMAL}${text}\n`),
      (error) => error instanceof ConfigError && /\nand 10 more$/.test(error.message),
    );
  });

  it('never brings the parser down', () => {
    const yamlish = fc.array(
      fc.oneof(
        fc.constantFrom(
          'method',
          'model',
          'beta',
          'data',
          'train',
          'stages',
          'max_steps',
          '__proto__',
          'constructor',
        ),
        fc.constantFrom(
          ': ',
          '\n',
          '- ',
          '{',
          '}',
          '[',
          ']',
          ', ',
          '&a ',
          '*a ',
          '? ',
          '"',
          '|\n',
          '  ',
          '!!x ',
          '<<',
          '#',
        ),
        fc.constantFrom('kto', 'sft', '1', '-1', '0.5', 'null', '.nan', 'true', 'auto', '1e400'),
        fc.string({ maxLength: 3 }),
      ),
      { maxLength: 25 },
    );
    fc.assert(
      fc.property(yamlish, yamlish, fc.boolean(), (words, value, isAfterMinimal) => {
        const text = `${isAfterMinimal ? MINIMAL : ''}${words.join('')}`;
        for (const set of [[], [`${words.slice(0, 2).join('.')}=${value.join('')}`]]) {
          try {
            parse(text, ...set);
          } catch (error) {
            if (!(error instanceof ConfigError)) throw error;
            assert.ok(
              error.message.split('\n').every((line) => /^(run\.yaml:\d+: |--set |and \d+ more$)/.test(line)),
            );
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});
