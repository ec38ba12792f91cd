import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { SOURCES } from '../../../../../coordinator/data/convert/sources.js';
import { TARGET_NAMES, type TargetName } from '../../../../../coordinator/data/convert/targets.js';
import { ConfigError } from '../../../../../lib/errors.js';
import { convertRows, type Converted } from './convert.js';

/** An answer that tells by its text, or its token id, which row of the file it is from. */
type MakeAnswer = (row: number) => unknown;

const textAnswer: MakeAnswer = (row) => `${row}`;
const chatAnswer: MakeAnswer = (row) => [{ role: 'assistant', content: `${row}` }];
const badAnswer = fc.constantFrom<MakeAnswer>(
  () => '',
  () => [],
  () => null,
  () => [{ role: 'user', content: 'q' }],
);
const answer = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(textAnswer, chatAnswer) },
  { weight: 1, arbitrary: badAnswer },
);
const prompt = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('p', 'q', [{ role: 'user', content: 'q' }]) },
  { weight: 1, arbitrary: fc.constantFrom<unknown>([], null, 3) },
);
const label = fc.constantFrom<unknown>(true, false, 1, null, 'yes');
const score = fc.constantFrom<unknown>(1, 2, 3, 4, 5, null, 'high');

/** A row of a file, sound or not, by its number. */
const row: fc.Arbitrary<(row: number) => unknown> = fc.oneof(
  fc
    .record({ prompt, answer, label, score })
    .map(({ answer, ...rest }) => (row: number) => ({ ...rest, completion: answer(row) })),
  fc
    .record({ prompt, good: answer, bad: answer })
    .map(({ prompt, good, bad }) => (row: number) => ({ prompt, chosen: good(row), rejected: bad(row) })),
  label.map((label) => (row: number) => ({ prompt_ids: [1], completion_ids: [row], label })),
  fc.constantFrom<unknown>(3, null, {}, '{"prompt": ').map((value) => () => value),
);
const file = fc.array(row, { minLength: 1, maxLength: 30 }).map((rows) => rows.map((make, i) => make(i)));

const options = fc.record({
  threshold: fc.option(fc.constantFrom(2, 3)),
  neutral: fc.option(fc.constantFrom(0, 1)),
});

/** Null where no row can be converted, which is an error. */
async function convertAny(
  t: TestContext,
  rows: readonly unknown[],
  conversion: Parameters<typeof convertRows>[2],
): Promise<Converted | null> {
  try {
    return await convertRows(t, rows, { source: SOURCES.trl, ...conversion });
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.ok(error.message.includes(`none of ${rows.length} rows can be converted`), error.message);
    return null;
  }
}

/** Numbers of the rows that a written row's answers are from. */
function sourcesOf(written: Readonly<Record<string, unknown>>): number[] {
  return Object.entries(written)
    .filter(([column]) => /^(completion|chosen|rejected)/.test(column))
    .map(([, value]) => {
      const [first] = value as readonly ({ readonly content: string } | number | string)[];
      if (typeof value === 'string') return Number(value);
      return Number(typeof first === 'object' ? first.content : first);
    });
}

function assertNoneLost(rows: readonly unknown[], { rows: written, report, rejected }: Converted): void {
  const used = new Set(written.flatMap(sourcesOf));
  const left = Object.values(rejected).reduce((sum, count) => sum + count, 0);
  assert.equal(used.size + left, rows.length);
  assert.deepEqual([report.rowsIn, report.rowsOut], [rows.length, written.length]);
}

for (const target of TARGET_NAMES) {
  test(`every row comes out or is rejected for a reason: to ${target}`, async (t) => {
    const property = fc.asyncProperty(file, options, async (rows, binarization) => {
      const converted = await convertAny(t, rows, { target, ...binarization });
      if (converted !== null) assertNoneLost(rows, converted);
    });
    await fc.assert(property, { numRuns: 100 });
  });
}

test('one answer of every prompt is kept, the same one for the same seed', async (t) => {
  const targets: readonly TargetName[] = ['binary', 'score'];
  const property = fc.asyncProperty(
    file,
    fc.constantFrom(...targets),
    fc.integer(),
    async (rows, target, seed) => {
      const all = await convertAny(t, rows, { target });
      const one = await convertAny(t, rows, { target, onePerPromptSeed: seed });
      assert.equal(one === null, all === null);
      if (one === null || all === null) return;
      const promptsOf = ({ rows: written }: Converted) =>
        written.map((row) => JSON.stringify(row['prompt'] ?? row['prompt_ids']));
      assert.deepEqual(promptsOf(one).toSorted(), [...new Set(promptsOf(all))].toSorted());
      assert.ok(
        one.rows.every((row) => all.rows.some((other) => JSON.stringify(other) === JSON.stringify(row))),
      );
      assertNoneLost(rows, one);
      assert.deepEqual(await convertAny(t, rows, { target, onePerPromptSeed: seed }), one);
    },
  );
  await fc.assert(property, { numRuns: 100 });
});

test('each answer of a prompt has the same chance to be kept', async (t) => {
  const rows = Array.from({ length: 4 }, (_, row) => ({ prompt: 'q', completion: `${row}`, label: true }));
  const counts = [0, 0, 0, 0];
  for (let seed = 0; seed < 400; seed += 1) {
    const { rows: kept } = await convertRows(t, rows, { target: 'binary', onePerPromptSeed: seed });
    counts[Number(kept[0]?.['completion'])]! += 1;
  }
  // 400 draws of 1/4: 100, with a standard deviation of 8.7. The seeds are fixed, and so is the result.
  for (const count of counts) assert.ok(Math.abs(count - 100) < 35, counts.join(' '));
});
