import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { loadExamples } from '../../../../coordinator/data/load.js';
import { TextTokenizer } from '../../../../coordinator/data/tokenizer.js';
import { packagePath } from '../../../../lib/package.js';
import { generateDemoData } from '../../../../deploy/demo/generate.js';
import { writeTinyModel } from '../../../../deploy/demo/tiny-model.js';
import { openCheckpoint } from '../../../../lib/safetensors/checkpoint.js';

const dataDir = packagePath('deploy/demo/data');

test('the generator makes the shipped files, byte for byte', async () => {
  const generated = generateDemoData();
  assert.deepEqual((await readdir(dataDir)).sort(), [...generated.keys()].sort());
  for (const [name, content] of generated) {
    assert.ok(content === (await readFile(join(dataDir, name), 'utf8')), `${name} differs: generate it anew`);
  }
});

test('no email of the held-out feedback is trained on', () => {
  const emails = (name: string) =>
    generateDemoData()
      .get(name)!
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { prompt: [{ content: string }] }).prompt[0].content);
  const heldOut = emails('held-out.jsonl');
  const trained = new Set([...emails('sft.jsonl'), ...emails('feedback.jsonl')]);
  assert.equal(heldOut.length, 128);
  assert.deepEqual(
    heldOut.filter((email) => trained.has(email)),
    [],
  );
});

describe('the model that the demo starts from', () => {
  let directory = '';
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'prospect-demo-'));
    await writeTinyModel(join(directory, 'a'), dataDir, 1);
    await writeTinyModel(join(directory, 'b'), dataDir, 1);
    await writeTinyModel(join(directory, 'c'), dataDir, 2);
  });
  after(() => rm(directory, { recursive: true }));

  test('has half a million parameters, which its seed decides', async () => {
    const weights = (name: string) => readFile(join(directory, name, 'model.safetensors'));
    assert.ok((await weights('a')).equals(await weights('b')));
    assert.ok(!(await weights('a')).equals(await weights('c')));
    const checkpoint = openCheckpoint(join(directory, 'a'));
    const sizes = [...checkpoint.tensors.values()].map(({ shape }) => shape.reduce((a, b) => a * b, 1));
    checkpoint.close();
    const parameters = sizes.reduce((a, b) => a + b, 0);
    assert.ok(parameters > 400_000 && parameters < 1_500_000, `${parameters} parameters`);
  });

  test('reads every row whole, in few tokens, and writes its text back', async () => {
    const tokenizer = TextTokenizer.load(join(directory, 'a'));
    for (const [file, rows] of [
      ['sft.jsonl', 'desirable'],
      ['feedback.jsonl', 'labelled'],
      ['held-out.jsonl', 'labelled'],
    ] as const) {
      const options = { maxLength: 128, maxPromptLength: 48, rows, skipBadRows: false };
      const { examples, report } = await loadExamples(join(dataDir, file), tokenizer, options);
      assert.equal(report.used, report.rows);
      assert.equal(report.promptsCut + report.completionsCut, 0);
      const lines = (await readFile(join(dataDir, file), 'utf8')).trimEnd().split('\n');
      for (const { row, completionIds } of examples) {
        const { completion } = JSON.parse(lines[row]!) as { completion: [{ content: string }] };
        assert.equal(completionIds.at(-1), tokenizer.eosId);
        assert.equal(tokenizer.decode(completionIds, { skipSpecialTokens: true }), completion[0].content);
      }
    }
  });
});
