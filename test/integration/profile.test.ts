import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { writeTinyRun } from '../support/tiny-run.js';
import { prospect, temporaryDirectory } from './prospect.js';

const traceSchema = z.object({
  traceEvents: z.array(
    z.object({
      name: z.string(),
      ph: z.enum(['M', 'X']),
      pid: z.number(),
      tid: z.number(),
      ts: z.number().default(0),
      dur: z.number().default(0),
      args: z.record(z.string(), z.unknown()),
    }),
  ),
});
type Event = z.infer<typeof traceSchema>['traceEvents'][number];

const weightsOf = (out: string) =>
  createHash('sha256')
    .update(readFileSync(join(out, 'model/model.safetensors')))
    .digest('hex');

/** By kind of thread, some of its spans. */
const expectedSpans = {
  compute: ['block forward 0', 'block forward of branches 1', 'block backward 0', 'head backward'],
  coordinator: ['plan', 'send', 'wait for reports', 'reports into one', 'journal', 'tell the commit'],
  main: [
    ...['wait for work', 'reference', 'statistic', 'gradient', 'allReduce', 'update'],
    ...['piece sent 0', 'piece received 0'],
  ],
  reference: ['block forward 0', 'block forward of branches 1', 'head forward of branches'],
};

/** Of a thread, each span lies within the one that it began in. */
function assertNested(events: readonly Event[]): void {
  const open: number[] = [];
  const inOrder = events.toSorted((a, b) => a.ts - b.ts || b.dur - a.dur);
  for (const { name, ts, dur } of inOrder) {
    while (open.length > 0 && open.at(-1)! <= ts) open.pop();
    assert.ok(open.length === 0 || ts + dur <= open.at(-1)!, name);
    open.push(ts + dur);
  }
}

test('a run that is profiled has a trace and a table, and the weights of one that is not', async (t) => {
  const dir = temporaryDirectory(t);
  const { text } = writeTinyRun(dir, {
    method: 'kto',
    keys: { max_steps: 6, workers: 2, share_prompts: true },
  });
  const runFile = join(dir, 'run.yaml');
  writeFileSync(runFile, text);
  const [plain, profiled] = [join(dir, 'plain'), join(dir, 'profiled')];
  const first = await prospect(['train', runFile, '--out', plain]);
  assert.equal(first.code, 0, first.stderr);
  const second = await prospect(['train', runFile, '--out', profiled, '--profile']);
  assert.equal(second.code, 0, second.stderr);
  assert.equal(weightsOf(profiled), weightsOf(plain));

  const { traceEvents } = traceSchema.parse(JSON.parse(readFileSync(join(profiled, 'profile.json'), 'utf8')));
  assert.ok(!existsSync(join(profiled, 'profile')), 'what it is made of is gone');
  const named = (name: string) =>
    traceEvents.filter((event) => event.name === name).map(({ args }) => args['name']);
  const workers = ['worker-0', 'worker-0', 'worker-1', 'worker-1'];
  assert.deepEqual(named('process_name').sort(), ['coordinator', 'reference', ...workers]);
  const kinds = traceEvents.filter(({ name }) => name === 'thread_name');
  assert.deepEqual(kinds.map(({ args }) => args['name']).sort(), [
    'compute',
    'compute',
    'coordinator',
    'main',
    'main',
    'reference',
  ]);
  for (const { tid: thread, args } of kinds) {
    const kind = z.enum(['compute', 'coordinator', 'main', 'reference']).parse(args['name']);
    const spans = traceEvents.filter(({ tid, ph }) => tid === thread && ph === 'X');
    assertNested(spans);
    const steps = new Set(spans.map(({ args: { step } }) => step));
    assert.deepEqual([...steps].sort(), kind === 'reference' ? [null] : [1, 2, 3, 4], 'the first steps');
    const names = new Set(spans.map(({ name }) => name));
    for (const name of expectedSpans[kind])
      assert.ok(names.has(name), `${kind}: ${name} is among ${[...names].join(', ')}`);
  }
  assert.match(second.stdout, /leafGradient › block backward .* %/);
  assert.match(second.stdout, /^reference +/m);
  assert.match(second.stdout, /^coordinator +journal .* %/m);
  assert.match(second.stdout, /a large product reaches \d+ GFLOP\/s/);
});

test('a run that is refused leaves no profile behind', async (t) => {
  const dir = temporaryDirectory(t);
  const out = join(dir, 'out');
  const runFile = join(dir, 'run.yaml');
  writeFileSync(runFile, 'method: kto\nmodel: nowhere\ndata: {train: none.jsonl}\nmax_steps: 2\n');
  const { code } = await prospect(['train', runFile, '--out', out, '--profile']);
  assert.equal(code, 2);
  assert.ok(!existsSync(out));
});
