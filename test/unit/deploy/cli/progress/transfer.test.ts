import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStyle } from '../../../../../deploy/cli/output/style.js';
import { formatTransfer, TransferDisplay } from '../../../../../deploy/cli/progress/transfer.js';
import { captureOutput } from '../../../../support/captured-output.js';

const MIB = 2 ** 20;
const half = { title: 'uploading', doneBytes: 100 * MIB, totalBytes: 200 * MIB, bytesPerSecond: 50 * MIB };

test('a transfer is a bar with amounts, speed and what remains, as far as there is room', () => {
  const lineOf = (columns: number) => formatTransfer(half, columns, createStyle(false));
  assert.equal(
    lineOf(80),
    `uploading  ${'━'.repeat(14)}${'─'.repeat(13)}  100 MiB of 200 MiB  50.0 MiB/s  ETA 0:02`,
  );
  for (let columns = 12; columns <= 120; columns++) {
    const line = lineOf(columns);
    assert.ok(
      line.length <= Math.max(columns, 'uploading  100 MiB of 200 MiB'.length),
      `${columns}: ${line}`,
    );
    assert.match(line, /^uploading .*100 MiB of 200 MiB/);
  }
  const unknown = formatTransfer({ ...half, bytesPerSecond: null }, 80, createStyle(false));
  assert.match(unknown, /MiB$/);
});

test('where lines cannot be redrawn, one now and then says how far it is', (t) => {
  t.mock.timers.enable({ apis: ['Date', 'setTimeout'] });
  const output = captureOutput();
  const display = new TransferDisplay(output, 'uploading', 0, 200 * MIB);
  for (let second = 1; second <= 25; second++) {
    t.mock.timers.tick(1_000);
    display.update(second * MIB);
  }
  display.end();
  assert.deepEqual(output.lines(), [
    'uploading  10.0 MiB of 200 MiB  1.00 MiB/s  ETA 3:10',
    'uploading  20.0 MiB of 200 MiB  1.00 MiB/s  ETA 3:00',
  ]);
});

test('speed is of what came since the transfer began', (t) => {
  t.mock.timers.enable({ apis: ['Date', 'setTimeout'] });
  const output = captureOutput({ interactive: true, columns: 100 });
  const display = new TransferDisplay(output, 'uploading', 150 * MIB, 200 * MIB);
  t.mock.timers.tick(10_000);
  display.update(160 * MIB);
  display.warning('a line above');
  display.end();
  const screen = output.lines().map((line) => line.split('\r\u001b[2K').at(-1)!);
  assert.equal(screen[0], 'warning: a line above');
  assert.match(screen[1]!, / 160 MiB of 200 MiB {2}1\.00 MiB\/s {2}ETA 0:40$/);
});

test('a transfer of a moment leaves no trace', (t) => {
  t.mock.timers.enable({ apis: ['Date', 'setTimeout'] });
  const output = captureOutput({ interactive: true });
  const display = new TransferDisplay(output, 'reading', 0, MIB);
  display.update(MIB / 2);
  t.mock.timers.tick(200);
  display.update(MIB);
  display.end();
  t.mock.timers.tick(10_000);
  assert.equal(output.text(), '');
});
