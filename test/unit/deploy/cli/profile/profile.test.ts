import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { partsOf } from '../../../../../deploy/cli/profile/parts.js';
import { readThreads, type RecordedThread } from '../../../../../deploy/cli/profile/threads.js';
import { traceOf } from '../../../../../deploy/cli/profile/trace.js';
import { PROFILED_SPANS, type Span } from '../../../../../lib/profile/spans.js';
import { temporaryDirectory } from '../../../../support/temporary-directory.js';

const span = (
  part: string,
  step: number | null,
  [startUs, durationUs]: readonly [number, number],
  more: Partial<Span> = {},
): Span => ({ part, block: null, step, startUs, durationUs, flops: 0, ...more });

const compute: RecordedThread = {
  process: 'worker-0',
  pid: 7,
  thread: 'compute',
  peakFlops: 4e9,
  spans: [
    span('commit', 1, [0, 900_000]),
    span('block backward', 2, [1_001_000, 6_000], { block: 1, flops: 12e6 }),
    span('gradient into its slot', 2, [1_002_000, 1_000]),
    span('leafGradient', 2, [1_000_000, 10_000]),
    span('commit', 2, [1_015_000, 5_000]),
  ],
};

test('parts are what spans take without those inside of them, of a step behind the first', () => {
  const parts = partsOf([compute]).map(({ name, milliseconds, share, ofPeak }) => [
    name,
    milliseconds,
    share,
    ofPeak,
  ]);
  assert.deepEqual(parts, [
    ['leafGradient › block backward', 5, 0.25, 0.6],
    ['commit', 5, 0.25, null],
    ['idle', 5, 0.25, null],
    ['leafGradient', 4, 0.2, null],
    ['leafGradient › gradient into its slot', 1, 0.05, null],
  ]);
});

test('as many spans as a thread may record are summed', () => {
  const spans = Array.from({ length: PROFILED_SPANS }, (_, index) => span('leafTerms', 2, [index * 10, 10]));
  assert.deepEqual(
    partsOf([{ ...compute, spans }]).map(({ name, milliseconds }) => [name, milliseconds]),
    [
      ['leafTerms', PROFILED_SPANS / 100],
      ['idle', 0],
    ],
  );
});

test('a step of several workers is that of one', () => {
  const [first] = partsOf([compute]);
  assert.deepEqual(partsOf([compute, { ...compute, pid: 8 }])[0], first);
});

test('of a thread that knows no steps counts what it began while the steps that count were computed', () => {
  const reference: RecordedThread = {
    ...{ process: 'reference', pid: 9, thread: 'reference', peakFlops: null },
    spans: [
      // Begun before the steps that count, and after them.
      span('score', null, [500_000, 510_000]),
      span('block forward', null, [1_001_000, 9_000]),
      span('score', null, [1_012_000, 9_000], { flops: 2e6 }),
      span('block forward', null, [1_013_000, 8_000], { flops: 8e6 }),
      span('score', null, [1_022_000, 9_000]),
    ],
  };
  const parts = partsOf([compute, reference]).filter(({ thread }) => thread === 'reference');
  assert.deepEqual(
    parts.map(({ name, milliseconds, share, ofPeak }) => [name, milliseconds, share, ofPeak]),
    [
      ['idle', 11, 0.55, null],
      ['score › block forward', 8, 0.4, 0.25],
      ['score', 1, 0.05, 0.5],
    ],
  );
});

test('a trace names processes, threads and blocks', () => {
  const { traceEvents } = traceOf([compute]);
  assert.deepEqual(traceEvents.slice(0, 2), [
    { name: 'process_name', ph: 'M', pid: 7, tid: 1, args: { name: 'worker-0' } },
    { name: 'thread_name', ph: 'M', pid: 7, tid: 1, args: { name: 'compute' } },
  ]);
  assert.deepEqual(traceEvents[3], {
    ...{ name: 'block backward 1', ph: 'X', pid: 7, tid: 1, ts: 1_001_000, dur: 6_000 },
    args: { step: 2, flops: 12e6 },
  });
});

test('threads are read as they were written, also by a process that was killed; anything else is refused', async (t) => {
  const directory = await temporaryDirectory(t);
  const { spans, ...thread } = compute;
  const main = { process: 'worker-0', pid: 7, thread: 'main', peakFlops: null };
  const write = (name: string, values: readonly unknown[], end = '') =>
    writeFileSync(join(directory, name), values.map((value) => `${JSON.stringify(value)}\n`).join('') + end);
  write('7-compute.jsonl', [{ ...thread, process: 'worker' }, ...spans], '{"part":"comm');
  write('7-main.jsonl', [main]);
  write('9-main.jsonl', [], '{"proc');
  assert.deepEqual(await readThreads(directory), [compute, { ...main, spans: [] }]);
  assert.deepEqual(await readThreads(join(directory, 'none')), []);
  write('8-main.jsonl', [{ ...main, peakFlops: 'fast' }]);
  await assert.rejects(readThreads(directory), /8-main\.jsonl is not what a thread records/);
});
