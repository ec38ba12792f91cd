import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { mergeMetrics } from '../../../../worker/supervisor/merge-metrics.js';

const awkward = fc.string({ unit: 'grapheme' });

/** What a process may have counted: by label value, and by name. */
const counts = fc.record({
  plain: fc.option(fc.double({ noNaN: true }), { nil: undefined }),
  labelled: fc.array(fc.tuple(awkward, awkward, fc.nat())),
  seconds: fc.array(fc.tuple(awkward, fc.double({ min: 0, max: 9, noNaN: true }))),
});

type Counts = typeof counts extends fc.Arbitrary<infer T> ? T : never;

/** The same metrics as a process would have them, whose registry gives every sample these labels. */
function registryOf({ plain, labelled, seconds }: Counts, labels: Record<string, string>): Registry {
  const registry = new Registry();
  registry.setDefaultLabels(labels);
  const registers = [registry];
  if (plain !== undefined) new Gauge({ name: 'a_gauge', help: 'Plain # TYPE no.', registers }).set(plain);
  const counter = new Counter({ name: 'b_total', help: 'x', labelNames: ['one', 'two'], registers });
  for (const [one, two, count] of labelled) counter.inc({ one, two }, count);
  const histogram = new Histogram({ name: 'c_seconds', help: 'x', labelNames: ['phase'], registers });
  for (const [phase, value] of seconds) histogram.observe({ phase }, value);
  return registry;
}

/** Lines by their kind, with labels in one order. */
function contentOf(text: string): { headers: string[]; samples: string[] } {
  const lines = text.split('\n').filter((line) => line !== '');
  const sorted = (line: string) => {
    const { name, labels, rest } = /^(?<name>\w+)(?:\{(?<labels>.*)\})?(?<rest> .*)$/su.exec(line)!.groups!;
    const pairs = [...(labels ?? '').matchAll(/\w+="(?:[^"\\]|\\.)*"/gsu)].map(([pair]) => pair).sort();
    return `${name}{${pairs.join()}}${rest}`;
  };
  return {
    headers: lines.filter((line) => line.startsWith('#')),
    samples: lines.filter((line) => !line.startsWith('#')).map(sorted),
  };
}

describe('the metrics of several processes', () => {
  test('of one are what it would show with a label of its own', async () => {
    await fc.assert(
      fc.asyncProperty(counts, async (content) => {
        const text = await registryOf(content, {}).metrics();
        const expected = await registryOf(content, { worker: 'worker-3' }).metrics();
        assert.deepEqual(contentOf(mergeMetrics([{ worker: 'worker-3', text }])), contentOf(expected));
      }),
    );
  });

  test('of many keep every sample, under one header for each name', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(counts, { maxLength: 4 }), async (processes) => {
        const texts = await Promise.all(
          processes.map(async (content, i) => ({
            worker: i === 0 ? null : `worker-${i}`,
            text: await registryOf(content, {}).metrics(),
          })),
        );
        const merged = contentOf(mergeMetrics(texts));
        assert.equal(new Set(merged.headers).size, merged.headers.length);
        const alone = texts.flatMap((process_) => contentOf(mergeMetrics([process_])).samples);
        assert.deepEqual([...merged.samples].sort(), alone.sort());
      }),
    );
  });

  test('samples stay with their header', () => {
    const text = (value: number) =>
      `# HELP a_total x\n# TYPE a_total counter\na_total ${value}\n\n# HELP b x\n# TYPE b gauge\nb{} ${value}\n`;
    assert.equal(
      mergeMetrics([
        { worker: 'worker-0', text: text(1) },
        { worker: 'worker-1', text: text(2) },
      ]),
      [
        '# HELP a_total x',
        '# TYPE a_total counter',
        'a_total{worker="worker-0"} 1',
        'a_total{worker="worker-1"} 2',
        '',
        '# HELP b x',
        '# TYPE b gauge',
        'b{worker="worker-0"} 1',
        'b{worker="worker-1"} 2',
        '',
      ].join('\n'),
    );
  });
});
