import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { createStyle } from '../../../../../deploy/cli/output/style.js';
import { formatBarLine, formatPlainLine } from '../../../../../deploy/cli/progress/format.js';
import { beginStage, commitStep } from '../../../../../deploy/cli/progress/state.js';

const plain = createStyle(false);
const begun = beginStage({ stage: 2, stageCount: 2, method: 'kto', totalSteps: 64, committedSteps: 0 }, 0);
const half = commitStep(
  commitStep(begun, { step: 31, loss: 0.5, kl: 0, 'rewards/margins': 1, num_tokens: 31_000 }, 40_000),
  { step: 32, loss: 0.48211, kl: 0.12, 'rewards/margins': 1.0324, num_tokens: 32_500 },
  40_500,
);

test('a wide line holds bar, step, loss, KL, margin, tokens/s and ETA', () => {
  assert.equal(
    formatBarLine(half, 120, plain),
    `kto 2/2  ${'━'.repeat(16)}${'─'.repeat(16)}  32/64  loss 0.4821  kl 0.1200  margin 1.032  3.00k tokens/s  ETA 0:16`,
  );
});

test('a line is never wider than the window, and loses its end first', () => {
  for (let columns = 16; columns <= 130; columns++) {
    const line = formatBarLine(half, columns, plain);
    assert.ok(line.length <= columns, `${columns} columns: ${line}`);
    assert.match(line, /32\/64/);
  }
  assert.match(formatBarLine(half, 48, plain), /━+─+ {2}32\/64 {2}loss 0\.4821$/);
});

test('colours change nothing but colours', () => {
  const coloured = formatBarLine(half, 100, createStyle(true));
  assert.notEqual(coloured, formatBarLine(half, 100, plain));
  assert.equal(stripVTControlCharacters(coloured), formatBarLine(half, 100, plain));
});

test('what a method lacks is left out', () => {
  const sft = commitStep(
    beginStage({ stage: 1, stageCount: 1, method: 'sft', totalSteps: 10, committedSteps: 0 }, 0),
    { step: 10, loss: 2.5, kl: null, 'rewards/margins': null, num_tokens: 1_000 },
    2_000,
  );
  assert.equal(formatPlainLine(sft), 'sft  step 10/10  loss 2.500  500 tokens/s  ETA 0:00');
});

test('before the first step there is no number to show', () => {
  assert.equal(formatPlainLine(begun), 'kto 2/2  step 0/64  waiting for the first step');
});
