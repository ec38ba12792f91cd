/** `npm run bench -- [SUITE …] [--baseline] [--json FILE] [--only PART …] [--steps N] [--rounds N]`: how fast the parts are on this machine. */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { collectiveSuite } from './collective/suite.js';
import { coordinatorSuite } from './coordinator/suite.js';
import { describeMachine } from './machine.js';
import { machineLine, resultLines } from './report.js';
import { partNames } from './step/part.js';
import { scaleSuite } from './scale/suite.js';
import { DEFAULT_ROUNDS, stepSuite } from './step/suite.js';
import type { Suite } from './suite.js';

const suites: readonly Suite[] = [stepSuite, collectiveSuite, scaleSuite, coordinatorSuite];

const usage = `usage: npm run bench -- [SUITE …] [--baseline] [--json FILE]
  suites: ${suites.map(({ name }) => name).join(', ')} (all without a name)
  --baseline  also run the other side, interleaved, with the Python at PROSPECT_BENCH_PYTHON (it must have PyTorch)
  --json      write the figures to a file too
  --only      of the suite step: this part alone (${partNames.join(', ')}); may be given again
  --steps     of the suite step: steps of an epoch
  --rounds    of the suite step: how often each side trains, by turns; default ${DEFAULT_ROUNDS}
  The suite step reads PROSPECT_BENCH_MODEL (the directory of a model, SmolLM2-135M), PROSPECT_BENCH_FEEDBACK (JSONL) and
  PROSPECT_BENCH_PYTORCH (kto_pytorch.py, for --baseline).`;

function fail(message: string): never {
  console.error(`${message}\n${usage}`);
  process.exit(2);
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        baseline: { type: 'boolean', default: false },
        json: { type: 'string' },
        only: { type: 'string', multiple: true, default: [] },
        steps: { type: 'string' },
        rounds: { type: 'string' },
      },
    });
  } catch (error) {
    return fail((error as Error).message);
  }
}

function readCount(flag: 'steps' | 'rounds', least: number): number | null {
  const text = values[flag];
  if (text === undefined) return null;
  const count = Number(text);
  return Number.isInteger(count) && count >= least
    ? count
    : fail(`--${flag} is no whole number from ${least} on`);
}

const { positionals, values } = readArguments();
const unknown = positionals.find((name) => !suites.some((suite) => suite.name === name));
if (unknown !== undefined) fail(`there is no suite ${unknown}`);
const python = process.env['PROSPECT_BENCH_PYTHON'] ?? null;
if (values.baseline && python === null) fail('PROSPECT_BENCH_PYTHON is not set');

// Exit handlers end what suites have started, and remove what they have written.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const { only } = values;
const unknownPart = only.find((name) => !partNames.some((part) => part === name));
if (unknownPart !== undefined) fail(`there is no part ${unknownPart}`);
// The first step warms up.
const steps = readCount('steps', 2);
const rounds = readCount('rounds', 1);
if ((only.length > 0 || steps !== null || rounds !== null) && positionals.join() !== stepSuite.name)
  fail('--only, --steps and --rounds are for the suite step alone');

const chosen = suites.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const machine = describeMachine();
console.log(machineLine(machine));
const results: Record<string, unknown> = {};
for (const suite of chosen) {
  const onProgress = (what: string) => console.error(`  ${suite.name}: ${what}`);
  const result = await suite.run({
    baseline: values.baseline,
    python,
    only,
    steps,
    rounds: rounds ?? DEFAULT_ROUNDS,
    onProgress,
  });
  console.log(['', ...resultLines(suite, result)].join('\n'));
  results[suite.name] = result;
}
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ machine, results }, null, 2)}\n`);
