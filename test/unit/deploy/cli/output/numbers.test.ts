import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatBytes,
  formatDuration,
  formatPercent,
  formatRate,
} from '../../../../../deploy/cli/output/numbers.js';

test('durations are minutes and seconds, with hours where there are any', () => {
  assert.equal(formatDuration(0), '0:00');
  assert.equal(formatDuration(7_400), '0:07');
  assert.equal(formatDuration(59_600), '1:00');
  assert.equal(formatDuration(754_000), '12:34');
  assert.equal(formatDuration(3_723_000), '1:02:03');
});

test('rates keep three significant digits', () => {
  assert.equal(formatRate(0), '0');
  assert.equal(formatRate(986.7), '987');
  assert.equal(formatRate(999.6), '1.00k');
  assert.equal(formatRate(12_340), '12.3k');
  assert.equal(formatRate(999_600), '1.00M');
  assert.equal(formatRate(4_560_000), '4.56M');
});

test('shares are percentages with one decimal', () => {
  assert.equal(formatPercent(0.9645), '96.5 %');
  assert.equal(formatPercent(1), '100.0 %');
});

test('bytes keep three significant digits, in units of 1024', () => {
  assert.equal(formatBytes(0), '0 B');
  assert.equal(formatBytes(999), '999 B');
  assert.equal(formatBytes(1024), '1.00 KiB');
  assert.equal(formatBytes(1_020_000), '996 KiB');
  assert.equal(formatBytes(1_030_000), '0.982 MiB');
  assert.equal(formatBytes(1.5 * 2 ** 30), '1.50 GiB');
});
