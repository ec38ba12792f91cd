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
      stages: [
        {
          method: 'kto',
          model: '/base/models/base',
          reference: null,
          data: { train: '/base/rows.jsonl', eval: null },
          beta: 0.1,
          desirableWeight: 1,
          undesirableWeight: 1,
          learningRate: 1e-6,
          lrSchedule: 'linear',
          warmupSteps: 0,
          adamBeta1: 0.9,
          adamBeta2: 0.999,
          adamEpsilon: 1e-8,
          weightDecay: 0,
          maxGradNorm: 1,
          maxSteps: null,
          epochs: 3,
          globalBatchSize: 16,
          microBatchSize: 4,
          maxLength: 1024,
          maxPromptLength: 512,
          shuffle: true,
          seed: 42,
        },
      ],
    });
    assert.equal(onlyStage(MINIMAL.replace('kto', 'sft')).learningRate, 2e-5);
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

  it('reads numbers in every notation of YAML 1.2', () => {
    const stage = onlyStage(`${MINIMAL}learning_rate: 5e-7\nbeta: .5\nseed: 0x10\nmax_grad_norm: 0\n`);
    assert.deepEqual([stage.learningRate, stage.beta, stage.seed, stage.maxGradNorm], [5e-7, 0.5, 16, 0]);
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
    assert.deepEqual([sft.reference, sft.beta], [null, 0.1]);
    assert.equal(kto!.model, null);
    assert.deepEqual(kto!.data, { train: '/base/a.jsonl', eval: null });
    assert.deepEqual([kto!.maxSteps, kto!.learningRate, kto!.beta], [7, 1e-5, 0.3]);
    assert.equal(kto!.reference, '/base/frozen');
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
      stages.map(({ beta, data, seed }) => [beta, data.train, data.eval, seed]),
      [
        [0.5, '/base/new', '/base/e', 42],
        [0.5, '/base/new', null, 7],
      ],
    );
    const overridden = stagesOf(text, 'stages.1.beta=0.6', 'beta=0.5');
    assert.deepEqual(
      overridden.map(({ beta }) => beta),
      [0.5, 0.6],
    );
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
  - method: dpo
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
      'run.yaml:13: data: must be a map of keys and values, not 3',
      'run.yaml:14: seed: must be at least 0, not -1',
      'run.yaml:15: threads_per_worker: must be a whole number of at least 1, or auto, not "many"',
      'run.yaml:16: epochs: stands beside max_steps, which says how long to train too; remove one of them',
      'run.yaml:18: lr_schedule: must be one of constant, linear, cosine, not "linar"',
      'run.yaml:19: weight_decay: must be a number, not Infinity',
      'run.yaml:23: stages.0.workers: belongs to the whole run; move it to the top of the file',
      'run.yaml:24: stages.0.data.trian: unknown key; did you mean train?',
      'run.yaml:25: stages.1.method: must be one of kto, sft, not "dpo"',
    );
  });

  it('lacks method, model or data', () => {
    refuses(
      'workers: 1',
      [],
      'run.yaml:1: method is missing; write "method: kto" or "method: sft"',
      'run.yaml:1: model is missing; write the Hugging Face directory to start from',
      'run.yaml:1: data.train is missing; write the JSONL file to train on',
    );
    refuses(
      'model: m\nstages:\n- method: sft\n  data:\n    train: a\n- data: {eval: e}\n',
      [],
      'run.yaml:6: stages.1: method is missing; write "method: kto" or "method: sft"',
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
      ['stages: []', 'run.yaml:4: stages: must not be empty'],
      ['stages: {}', 'run.yaml:4: stages: must be a list, not a map'],
      ['stages: [kto]', 'run.yaml:4: stages.0: must be a map of keys and values, not "kto"'],
      ['beta:', 'run.yaml:4: beta: must be a number, not empty'],
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
      `${sft}beta: 0.1\n`,
      [],
      'run.yaml:4: beta: only method kto reads it, and no stage uses that; remove it',
    );
    refuses(
      `${MINIMAL}beta: 0.1\nstages:\n- method: sft\n  reference: r\n- {}\n`,
      [],
      'run.yaml:7: stages.0.reference: only method kto reads it, and this stage uses sft; remove it',
    );
    assert.equal(onlyStage(`${sft}reference: null\n`).reference, null);
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
