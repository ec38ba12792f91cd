import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import type { CheckReport } from '../../../../deploy/cli/check/report.js';
import { createStyle } from '../../../../deploy/cli/output/style.js';
import type { Output } from '../../../../deploy/cli/output/terminal.js';
import { buildProgram } from '../../../../deploy/cli/program.js';
import { ConfigError } from '../../../../lib/errors.js';
import { fixturePath } from '../../../parity/fixtures.js';
import { temporaryDirectory } from '../../coordinator/data/tiny-model.js';

interface Printed {
  readonly out: string;
  readonly err: string;
  /** Lines of what is wrong; null where nothing is. */
  readonly problems: readonly string[] | null;
}

async function check(args: readonly string[], coloured = false): Promise<Printed> {
  const printed = { out: '', err: '' };
  const outputTo = (name: 'out' | 'err'): Output => ({
    style: createStyle(coloured),
    write: (text) => void (printed[name] += text),
    line: (text) => void (printed[name] += `${text}\n`),
    interactive: coloured,
    ready: () => Promise.resolve(true),
    columns: () => 80,
  });
  const terminal = { out: outputTo('out'), err: outputTo('err') };
  try {
    await buildProgram(terminal).parseAsync(['check', ...args], { from: 'user' });
    return { ...printed, problems: null };
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return { ...printed, problems: error.message.split('\n') };
  }
}

interface Setting {
  readonly directory: string;
  readonly runFile: string;
  readonly model: string;
}

/** A folder with a model, rows and a run file of these lines. */
function setUp(t: TestContext, runFile: string, rows: readonly unknown[] = soundRows): Setting {
  const directory = temporaryDirectory(t);
  const model = join(directory, 'model');
  cpSync(fixturePath('models/llama'), model, { recursive: true });
  writeFileSync(join(directory, 'rows.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  writeFileSync(join(directory, 'run.yaml'), runFile);
  return { directory, runFile: join(directory, 'run.yaml'), model };
}

const soundRows = [
  { prompt: 'The cat', completion: ' sat on the mat', label: true },
  { prompt: 'A dog', completion: ' ran', label: false },
  { prompt: 'One bird', completion: ' flew over the house and away', label: true },
  { prompt: 'Two fish', completion: ' swam', label: false },
  {
    prompt: 'A long prompt that is cut at its beginning, since it has so many tokens',
    completion: ' no',
    label: true,
  },
];

const kto = `method: kto
model: model
data: {train: rows.jsonl}
epochs: 2
global_batch_size: 4
micro_batch_size: 2
max_length: 24
max_prompt_length: 8
workers: 2
threads_per_worker: 1
`;

async function reportOf(args: readonly string[]): Promise<CheckReport> {
  return JSON.parse((await check([...args, '--json'])).out) as CheckReport;
}

describe('prospect check', () => {
  test('reports rows, classes, lengths, steps, memory and traffic', async (t) => {
    const { runFile } = setUp(t, kto);
    const { stages, problems, workers } = await reportOf([runFile]);
    assert.deepEqual(problems, []);
    assert.equal(workers, 2);
    const [stage] = stages;
    const { rows, steps, stepsPerEpoch, epochs, microBatchesPerStep, weights, promptTokens } = stage!;
    assert.deepEqual({ ...rows, file: '' }, { file: '', read: 5, used: 5, desirable: 3, undesirable: 2 });
    assert.deepEqual(
      { steps, stepsPerEpoch, epochs, microBatchesPerStep },
      { steps: 4, stepsPerEpoch: 2, epochs: 2, microBatchesPerStep: 2 },
    );
    assert.deepEqual(weights, { desirable: 1, undesirable: 1, ratio: 1.5 });
    assert.ok(promptTokens.max > 8 && promptTokens.cut >= 1);
    assert.ok(stage!.longestSequence <= 24);
    assert.equal(stage!.parameters, stage!.trainedParameters);
    const { workerMemory, referenceMemory, trafficPerStep } = stage!;
    assert.ok(workerMemory.weights >= 8 * stage!.parameters);
    assert.ok(referenceMemory!.weights >= 4 * stage!.parameters);
    assert.ok(referenceMemory!.activations < workerMemory.activations);
    assert.ok(trafficPerStep.sentBytes > 0);
  });

  test('more tokens or sequences in a micro-batch need more memory, more workers less of the optimizer', async (t) => {
    const { runFile } = setUp(t, kto);
    const memoryOf = async (...set: string[]) => {
      const report = await reportOf([runFile, ...set.flatMap((assignment) => ['--set', assignment])]);
      return report.stages[0]!.workerMemory;
    };
    const base = await memoryOf();
    assert.ok((await memoryOf('max_length=12')).activations < base.activations);
    assert.ok((await memoryOf('micro_batch_size=1')).activations < base.activations);
    assert.ok((await memoryOf('workers=4')).optimizer < base.optimizer);
    const lora = await memoryOf('lora={r: 2}');
    assert.ok(lora.weights < base.weights && lora.frozenWeights > 0);
  });

  test('warns of weights that lie outside of the recommended interval, and of idle workers', async (t) => {
    const { runFile } = setUp(t, kto);
    const { err } = await check([runFile, '--set', 'workers=3']);
    assert.match(
      err,
      /warning: stage 1 \(kto\): desirable_weight 1 × 3 rows over undesirable_weight 1 × 2 rows is 1\.50/,
    );
    assert.match(err, /set undesirable_weight: auto/);
    assert.match(err, /3 workers share 2 micro-batches a step/);
    assert.doesNotMatch((await check([runFile, '--set', 'undesirable_weight=auto'])).err, /recommends/);
  });

  test('prints a table, and a sample with the trained tokens marked or painted', async (t) => {
    const { runFile, directory } = setUp(t, kto);
    const plain = (await check([runFile])).out.replaceAll(directory, 'DIR');
    assert.match(plain, /^kto\nmodel: DIR\/model \(LlamaForCausalLM, [\d,]+ parameters\)\n/);
    assert.match(
      plain,
      /rows: 5 of 5 used from DIR\/rows\.jsonl; 3 desirable, 2 undesirable, which weigh 1\.50 to 1\n/,
    );
    assert.match(plain, /\nsteps: 4 of 2 micro-batches, 2 an epoch; epochs: 2\n/);
    assert.match(
      plain,
      /\nworkers: 2, of 1 threads each; each sends up to \S+ \S+ and receives \S+ \S+ a step\n/,
    );
    assert.match(plain, /\nsample: DIR\/rows\.jsonl:1; .*\n.*The cat⟦ sat on the mat<\|end_of_text\|>⟧\n/);
    assert.match(plain, /\nDIR\/run\.yaml is sound\n$/);
    const painted = (await check([runFile], true)).out;
    assert.ok(painted.includes('The cat\u001b[32m sat on the mat<|end_of_text|>\u001b[39m'));
  });

  test('a second stage goes on from what the first one writes, adapters too', async (t) => {
    const stages = `stages:
  - {method: sft, lora: {r: 2}}
  - {method: kto}
`;
    const { runFile } = setUp(t, `model: model\ndata: {train: rows.jsonl}\n${stages}`);
    const { stages: reports, problems } = await reportOf([runFile]);
    assert.deepEqual(problems, []);
    assert.deepEqual(
      reports.map(({ method }) => method),
      ['sft', 'kto'],
    );
    assert.equal(reports[1]!.model, 'what stage 1 writes');
    assert.equal(reports[1]!.trainedParameters, reports[0]!.trainedParameters);
    assert.ok(reports[1]!.trainedParameters < reports[1]!.parameters);
    assert.equal(reports[0]!.referenceMemory, null);
  });
});

describe('prospect check finds', () => {
  test('all bad rows with file and line, of training and held-out rows', async (t) => {
    const rows = [...soundRows, { prompt: 'x', completion: ' y' }, { prompt: 'x', label: true }];
    const { runFile, directory } = setUp(
      t,
      kto.replace('rows.jsonl}', 'rows.jsonl, eval: held-out.jsonl}'),
      rows,
    );
    writeFileSync(
      join(directory, 'held-out.jsonl'),
      `${JSON.stringify(soundRows[0])}\n{}\n${JSON.stringify(soundRows[1])}\n`,
    );
    const { problems } = await check([runFile]);
    assert.deepEqual(
      problems!.map((line) => line.replaceAll(directory, 'DIR')),
      [
        'DIR/rows.jsonl:6: label is missing',
        'DIR/rows.jsonl:7: completion is missing',
        'DIR/held-out.jsonl:2: prompt is missing',
      ],
    );
  });

  test('held-out rows of every stage that cannot be judged', async (t) => {
    const stages = `stages:
  - {method: sft, data: {train: rows.jsonl, eval: long.jsonl}}
  - {method: kto, data: {train: rows.jsonl, eval: one-prompt.jsonl}}
  - {method: dpo, data: {train: rows.jsonl, eval: nowhere.jsonl}}
`;
    const { runFile, directory, model } = setUp(t, `model: model\nmax_length: 4096\n${stages}`);
    rmSync(model, { recursive: true });
    cpSync(fixturePath('models/gpt2'), model, { recursive: true });
    const long = { prompt_ids: [1], completion_ids: Array.from({ length: 4000 }, () => 5) };
    writeFileSync(join(directory, 'long.jsonl'), `${JSON.stringify(long)}\n`);
    writeFileSync(join(directory, 'one-prompt.jsonl'), `${JSON.stringify(soundRows[0])}\n`.repeat(3));
    const { problems } = await check([runFile]);
    const found = problems!.filter((line) => line.includes('data.eval'));
    assert.match(
      found[0]!,
      /run\.yaml:4: .*data\.eval: a sequence of 4001 tokens is longer than the \d+ positions/,
    );
    assert.match(
      found[1]!,
      /run\.yaml:5: .*one-prompt\.jsonl: data\.eval has no two rows with different prompts/,
    );
    assert.match(found[2]!, /run\.yaml:6: .*data\.eval: .*nowhere\.jsonl/);
    assert.equal(found.length, 3);
  });

  test('names ten bad rows of every reason, and counts the others', async (t) => {
    const bad = Array.from({ length: 25 }, () => ({ prompt: 'x' }));
    const { runFile } = setUp(t, kto, [...soundRows, ...bad, 3]);
    const { problems } = await check([runFile]);
    assert.equal(problems!.length, 12);
    assert.match(problems![9]!, /rows\.jsonl:15: completion is missing$/);
    assert.match(problems![10]!, /rows\.jsonl: and 15 more rows: completion is missing$/);
    assert.match(problems![11]!, /rows\.jsonl:31: not a JSON object$/);
  });

  test('warns of plain text to a model with a chat template, unless the template wrote it', async (t) => {
    const message = (role: string, content: string) => ({ role, content });
    const asMessages = soundRows.map(({ prompt, completion, label }) => ({
      prompt: [message('user', prompt)],
      completion: [message('assistant', completion)],
      label,
    }));
    const asWritten = soundRows.map((row) => ({ ...row, prompt: `${row.prompt}<|end_of_text|>` }));
    const warns = async (rows: readonly unknown[], breakIt: (model: string) => void = () => undefined) => {
      const { runFile, model } = setUp(t, kto, rows);
      breakIt(model);
      return /the prompts are plain text, .* --from table/.test((await check([runFile])).err);
    };
    assert.equal(await warns(soundRows), true);
    assert.equal(await warns(asMessages), false);
    assert.equal(await warns(asWritten), false);
    const withoutTemplate = (model: string) => {
      const file = join(model, 'tokenizer_config.json');
      const config = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
      writeFileSync(file, JSON.stringify({ ...config, chat_template: undefined }));
    };
    assert.equal(await warns(soundRows, withoutTemplate), false);
  });

  const wrong: Readonly<Record<string, (setting: Setting) => readonly RegExp[]>> = {
    'a model that is not there, and rows that are not either': ({ model, directory }) => {
      rmSync(model, { recursive: true });
      rmSync(join(directory, 'rows.jsonl'));
      return [
        /run\.yaml:2: model: there is no directory .*\/model: give one of a Hugging Face model/,
        /run\.yaml:3: data\.train: .*rows\.jsonl/,
      ];
    },
    'a directory without a model': ({ model }) => {
      rmSync(join(model, 'config.json'));
      rmSync(join(model, 'tokenizer.json'));
      return [/run\.yaml:2: model: .*config\.json/, /run\.yaml:2: model: .*no tokenizer\.json/];
    },
    'the directory of a run that has not ended': ({ model }) => {
      rmSync(model, { recursive: true });
      mkdirSync(model);
      for (const name of ['run.yaml', 'metrics.jsonl']) writeFileSync(join(model, name), '');
      return [/run\.yaml:2: model: the run in .*\/model has not come to its end, .*--resume/];
    },
    'a tensor that is missing': ({ model }) => {
      const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8')) as Record<string, unknown>;
      writeFileSync(join(model, 'config.json'), JSON.stringify({ ...config, num_hidden_layers: 3 }));
      return [/run\.yaml:2: model: .*tensor model\.layers\.2\..* is missing/];
    },
    'a weights file that is cut short': ({ model }) => {
      const file = join(model, 'model.safetensors');
      writeFileSync(file, readFileSync(file).subarray(0, -100));
      return [/run\.yaml:2: model: .*model\.safetensors/];
    },
    'an end of sequence that the tokenizer does not know': ({ model }) => {
      writeFileSync(join(model, 'tokenizer_config.json'), '{"eos_token": "<nope>"}');
      return [/run\.yaml:2: model: .*eos_token "<nope>" is not in tokenizer\.json/];
    },
  };
  for (const [what, breakIt] of Object.entries(wrong)) {
    test(what, async (t) => {
      const setting = setUp(t, kto);
      const expected = breakIt(setting);
      const { problems } = await check([setting.runFile]);
      expected.forEach((pattern, index) => assert.match(problems![index]!, pattern));
    });
  }

  test('a reference that is no model, and target modules that the model lacks, by their own keys', async (t) => {
    const { runFile, directory } = setUp(t, `${kto}reference: other\nlora: {target_modules: [no_proj]}\n`);
    mkdirSync(join(directory, 'other'));
    assert.match(
      (await check([runFile])).problems![0]!,
      /run\.yaml:12: lora: .*"no_proj" fits no linear layer/,
    );
    const { problems } = await check([runFile, '--set', 'lora=null']);
    assert.match(problems![0]!, /run\.yaml:11: reference: .*config\.json/);
  });

  test('rows longer than the positions of the model', async (t) => {
    const long = { prompt: 'word '.repeat(100), completion: ' word'.repeat(200), label: true };
    const { runFile, model } = setUp(t, kto, [...soundRows, long]);
    rmSync(model, { recursive: true });
    cpSync(fixturePath('models/gpt2'), model, { recursive: true });
    const { problems } = await check([runFile, '--set', 'max_length=400', '--set', 'max_prompt_length=200']);
    assert.match(
      problems![0]!,
      /data\.train: a sequence of \d+ tokens is longer than the \d+ positions of the model/,
    );
  });

  test('a key given by --set is named so', async (t) => {
    const { runFile, directory } = setUp(t, kto);
    const { problems } = await check([runFile, '--set', `model=${join(directory, 'none')}`]);
    assert.match(problems![0]!, /^--set model: /);
  });
});
