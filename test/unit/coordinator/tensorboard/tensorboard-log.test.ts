import assert from 'node:assert/strict';
import { readdir, readFile, truncate, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { MetricsRow } from '../../../../coordinator/runs/metrics-row.js';
import { crc32c, maskedCrc32c } from '../../../../coordinator/tensorboard/crc32c.js';
import { frameRecord, readRecords } from '../../../../coordinator/tensorboard/record.js';
import { TensorBoardLog, type StageHistory } from '../../../../coordinator/tensorboard/tensorboard-log.js';
import { asWritten } from '../../../../coordinator/tensorboard/text-table.js';
import { tensorboard } from '../../../../proto/services.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

const row = (step: number, loss = 1 / step): MetricsRow => ({
  step,
  stage: 1,
  method: 'sft',
  epoch: step / 4,
  loss,
  kl: null,
  kl_unclamped: null,
  'rewards/chosen': null,
  'rewards/rejected': null,
  'rewards/margins': null,
  'logps/chosen': -8,
  'logps/rejected': null,
  grad_norm: 0.5,
  learning_rate: 1e-5,
  num_tokens: 64 * step,
  step_time_s: 0.25,
});

const none: StageHistory = { rows: [], evaluations: [], samples: [] };
const rowsThrough = (last: number) => Array.from({ length: last }, (_, i) => row(i + 1));
const evaluation = (step: number) => ({
  step,
  stage: 1,
  method: 'kto',
  rows: 8,
  eval_loss: 1 / (step + 1),
  eval_kl: null,
  'eval_rewards/chosen': 0,
  eval_runtime_s: 0.5,
});
const samples = (step: number, completion = 'an answer') => ({
  step,
  completions: [{ prompt: 'a question', completion, cut: false }],
});

const bytes = (...values: number[]) => Uint8Array.from(values);

/** A directory's events in the order in which TensorBoard reads them, each file's after those of the one before. */
async function readEvents(directory: string): Promise<tensorboard.Event[][]> {
  const files = (await readdir(directory)).sort();
  return Promise.all(
    files.map(async (name) =>
      [...readRecords(await readFile(join(directory, name)))].map((data) => tensorboard.Event.decode(data)),
    ),
  );
}

const stepsOf = (events: readonly tensorboard.Event[]) =>
  events.filter(({ summary }) => summary).map(({ step }) => step);

describe('CRC-32C', () => {
  test('of the examples of RFC 3720, appendix B.4', () => {
    assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
    assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
    assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
    assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c);
  });

  test('masked as TFRecord files have it', () => {
    // The length 24 and its CRC, as they begin every event file that TensorFlow itself writes.
    assert.equal(maskedCrc32c(bytes(24, 0, 0, 0, 0, 0, 0, 0)), 0x224b7fa3);
  });
});

describe('records', () => {
  test('are read as they were written, up to a torn or damaged one', () => {
    const file = Buffer.concat([bytes(1, 2, 3), bytes(), bytes(4)].map(frameRecord));
    const read = (buffer: Buffer) => [...readRecords(buffer)].map((data) => [...data]);
    assert.deepEqual(read(file), [[1, 2, 3], [], [4]]);
    for (let length = 0; length < file.length; length++) {
      assert.ok(read(file.subarray(0, length)).length < 3, `${length} bytes`);
    }
    for (let at = 0; at < file.length; at++) {
      const damaged = Buffer.from(file);
      damaged[at]! ^= 0x10;
      assert.ok(read(damaged).length < 3, `byte ${at}`);
    }
  });
});

describe('event files', () => {
  test('hold a version and the numbers of each step under the tags of transformers', async (t) => {
    const directory = await temporaryDirectory(t);
    const log = await TensorBoardLog.open(directory, none);
    await log.append(row(1));
    await log.append(row(2));
    await log.append(row(3, 0));
    await log.close();
    const [events] = await readEvents(directory);
    assert.equal(events?.[0]?.fileVersion, 'brain.Event:2');
    assert.deepEqual(stepsOf(events), [1, 2, 3]);
    const [, , , third] = events;
    const loss = third?.summary?.value?.find(({ tag }) => tag === 'train/loss');
    assert.ok(loss !== undefined && Object.hasOwn(loss, 'simpleValue'), 'a 0 is written');
    const values = new Map(events[2]?.summary?.value?.map(({ tag, simpleValue }) => [tag, simpleValue]));
    assert.deepEqual(
      [...values.keys()],
      ['epoch', 'loss', 'logps/chosen', 'grad_norm', 'learning_rate', 'num_tokens', 'step_time_s'].map(
        (key) => `train/${key}`,
      ),
    );
    assert.equal(values.get('train/loss'), 0.5);
    assert.equal(values.get('train/num_tokens'), 128);
  });

  test('a new start goes on in a new file, with what a killed one had not written', async (t) => {
    const directory = await temporaryDirectory(t);
    const first = await TensorBoardLog.open(directory, none);
    for (const step of [1, 2, 3]) await first.append(row(step));
    await first.close();
    const [name] = await readdir(directory);
    const file = join(directory, name!);
    await truncate(file, (await stat(file)).size - 5);

    const second = await TensorBoardLog.open(directory, { ...none, rows: rowsThrough(4) });
    await second.append(row(5));
    await second.close();
    const third = await TensorBoardLog.open(directory, { ...none, rows: rowsThrough(5) });
    await third.close();
    const files = await readEvents(directory);
    assert.deepEqual(files.map(stepsOf), [[1, 2], [3, 4, 5], []]);
    assert.equal(files[1]?.[1]?.step, 3);
    assert.equal(files[1][1].sessionLog!.status, tensorboard.SessionLog.Status.START);
  });

  test('steps that the journal does not hold are purged and written again', async (t) => {
    const directory = await temporaryDirectory(t);
    const first = await TensorBoardLog.open(directory, none);
    for (const step of [1, 2, 3, 4]) await first.append(row(step));
    await first.close();
    const second = await TensorBoardLog.open(directory, { ...none, rows: rowsThrough(2) });
    await second.append(row(3, 7));
    await second.close();
    const [, events] = await readEvents(directory);
    assert.equal(events?.[1]?.step, 3);
    assert.deepEqual(stepsOf(events), [3]);
  });

  test('held-out rows have the tags of transformers, also at step 0', async (t) => {
    const directory = await temporaryDirectory(t);
    const log = await TensorBoardLog.open(directory, none);
    await log.appendEvaluation(evaluation(0));
    await log.close();
    const [[, event] = []] = await readEvents(directory);
    assert.equal(event?.step, 0);
    assert.deepEqual(
      event.summary?.value?.map(({ tag, simpleValue }) => [tag, simpleValue]),
      [
        ['eval/loss', 1],
        ['eval/rewards/chosen', 0],
        ['eval/runtime_s', 0.5],
      ],
    );
  });

  test('samples are a table of texts, shown as they are written', async (t) => {
    const directory = await temporaryDirectory(t);
    const log = await TensorBoardLog.open(directory, none);
    await log.appendSamples(samples(10, '# Not a *title*\n<b>'));
    await log.close();
    const [[, event] = []] = await readEvents(directory);
    const [value] = event?.summary?.value ?? [];
    assert.deepEqual(
      [event?.step, value?.tag, value?.metadata?.pluginData?.pluginName],
      [10, 'samples', 'text'],
    );
    assert.deepEqual(
      value?.tensor?.shape?.dim?.map(({ size }) => size),
      [2, 2],
    );
    const texts = ['prompt', 'completion', '    a question', '    # Not a *title*\n    <b>'];
    assert.deepEqual(value.tensor.stringVal, texts);
    assert.equal(asWritten(''), '    ');
  });

  test('a new start writes the held-out rows and samples that a killed one had not written', async (t) => {
    const directory = await temporaryDirectory(t);
    const history = (last: number, judged: readonly number[]) => ({
      rows: rowsThrough(last),
      evaluations: judged.map(evaluation),
      samples: judged.map((step) => samples(step)),
    });
    // Killed after step 4, before its held-out rows were written.
    const first = await TensorBoardLog.open(directory, none);
    await first.appendEvaluation(evaluation(0));
    await first.appendSamples(samples(0));
    for (const step of [1, 2, 3, 4]) {
      await first.append(row(step));
      if (step === 2) await first.appendEvaluation(evaluation(2));
    }
    await first.close();
    const second = await TensorBoardLog.open(directory, history(4, [0, 2, 4]));
    await second.close();
    const third = await TensorBoardLog.open(directory, history(4, [0, 2, 4]));
    await third.close();
    // The journal lost a step: what files say of it, and what was judged after it, holds no more.
    const fourth = await TensorBoardLog.open(directory, history(3, [0, 2]));
    await fourth.close();
    const files = (await readEvents(directory)).map((events) =>
      events.flatMap(({ step, summary, sessionLog }) => {
        if (sessionLog) return [`from ${step}`];
        return (summary?.value ?? []).slice(0, 1).map(({ tag }) => `${tag} ${step}`);
      }),
    );
    assert.deepEqual(files.slice(1), [
      ['from 5', 'eval/loss 4', 'samples 2', 'samples 4'],
      ['from 5'],
      ['from 4'],
    ]);
  });
});
