import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fixturePath, readFixture } from './fixtures.js';

const cli = fileURLToPath(new URL('../../deploy/cli/main.js', import.meta.url));

interface Finished {
  readonly code: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

function prospect(...args: string[]): Promise<Finished> {
  return new Promise((resolve) => {
    execFile(process.execPath, [cli, ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}

interface Golden {
  readonly prompts: readonly string[];
  readonly completions: readonly string[];
  readonly prompt_ids: readonly (readonly number[])[];
  readonly completion_ids: readonly (readonly number[])[];
  readonly sequence_logps: readonly number[];
}

describe('prospect score', () => {
  const golden = readFixture('golden/forward_llama.json') as Golden;
  const model = fixturePath('models/llama');
  let directory = '';
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'prospect-score-'));
  });
  after(() => rm(directory, { recursive: true }));

  async function writeRows(rows: readonly object[]): Promise<string> {
    const file = join(directory, 'rows.jsonl');
    await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    return file;
  }

  function assertGolden(text: string): void {
    const lines = text.trimEnd().split('\n');
    assert.equal(lines.length, golden.sequence_logps.length);
    lines.forEach((line, index) => {
      const scored = JSON.parse(line) as Record<string, number>;
      assert.deepEqual(Object.keys(scored), ['index', 'logp', 'completion_tokens']);
      assert.equal(scored['index'], index);
      assert.equal(scored['completion_tokens'], golden.completion_ids[index]!.length);
      const difference = Math.abs(scored['logp']! - golden.sequence_logps[index]!);
      assert.ok(difference <= 5e-4, `row ${index}: ${scored['logp']!} differs by ${difference}`);
    });
  }

  test('text gives the golden log-probs, and nothing else on standard output', async () => {
    const rows = golden.prompts.map((prompt, i) => ({ prompt, completion: golden.completions[i]! }));
    const finished = await prospect('score', '--model', model, '--data', await writeRows(rows));
    assert.equal(finished.code, 0, finished.stderr);
    assertGolden(finished.stdout);
  });

  test('so do token ids, written to a file that is complete or absent', async () => {
    const rows = golden.prompt_ids.map((ids, i) => ({
      prompt_ids: ids,
      completion_ids: golden.completion_ids[i]!,
      label: false,
    }));
    const data = await writeRows(rows);
    const out = join(directory, 'scores.jsonl');
    const finished = await prospect('score', '--model', model, '--data', data, '--out', out);
    assert.equal(finished.code, 0, finished.stderr);
    assert.equal(finished.stdout, '');
    assertGolden(await readFile(out, 'utf8'));
    assert.deepEqual((await readdir(directory)).sort(), ['rows.jsonl', 'scores.jsonl']);
  });

  test('a bad row is exit code 2 and one line that names it; or it is skipped, and counted', async () => {
    const data = await writeRows([
      { prompt: 'a', completion: ' b' },
      { prompt: 'a' },
      { prompt: 'c', completion: ' d' },
    ]);
    const refused = await prospect('score', '--model', model, '--data', data);
    assert.equal(refused.code, 2);
    assert.equal(refused.stdout, '');
    assert.match(refused.stderr, /^error: .*rows\.jsonl:2: completion is missing[^\n]*\n$/);

    const skipped = await prospect('score', '--model', model, '--data', data, '--skip-bad-rows');
    assert.equal(skipped.code, 0, skipped.stderr);
    assert.deepEqual(
      skipped.stdout
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { index: number }).index),
      [0, 2],
    );
    assert.match(skipped.stderr, /rows skipped: 1: completion is missing/);
  });
});
