import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatNumber, MetricsTable } from '../../../../../deploy/cli/remote/metrics-table.js';

const sft = { step: 1, stage: 1, method: 'sft', loss: 2.5, kl: null, learning_rate: 2e-5, num_tokens: 1000 };
const kto = { step: 12, stage: 2, method: 'kto', loss: 0.5, kl: 0, learning_rate: 1e-6, num_tokens: 90_000 };

function render(rows: readonly Readonly<Record<string, unknown>>[], width = Infinity): string[] {
  const table = new MetricsTable(rows, width);
  return [...table.header(), ...rows.map((row) => table.row(row))];
}

test('the columns are those with values, under the names of metrics.jsonl', () => {
  assert.deepEqual(render([sft]), [
    '   step     loss  learning_rate  num_tokens',
    '───────────────────────────────────────────',
    '      1    2.500        2.00e-5        1000',
  ]);
});

test('of several stages, the stage is told; what one lacks stays empty', () => {
  assert.deepEqual(render([sft, kto]), [
    '  stage     step     loss       kl  learning_rate  num_tokens',
    '─────────────────────────────────────────────────────────────',
    '      1        1    2.500                 2.00e-5        1000',
    '      2       12   0.5000    0.000        1.00e-6       90000',
  ]);
});

test('in a narrow window the last columns go, and are named', () => {
  const table = new MetricsTable([sft, kto], 36);
  assert.equal(table.header()[0], '  stage     step     loss       kl');
  assert.deepEqual(table.left, ['learning_rate', 'num_tokens']);
  assert.equal(new MetricsTable([sft], 1).header()[0]!.trim(), 'step');
});

test('numbers have four digits', () => {
  assert.deepEqual([0, 1, -0.48211, 1e-6, -3.2e-5, 12_345.6].map(formatNumber), [
    '0.000',
    '1.000',
    '-0.4821',
    '1.00e-6',
    '-3.20e-5',
    '1.235e+4',
  ]);
});
