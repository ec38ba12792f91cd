/** `npm run bench -- [SUITE …] [--baseline] [--json FILE]`: how fast the parts are on this machine. */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { collectiveSuite } from './collective/suite.js';
import { coordinatorSuite } from './coordinator/suite.js';
import { describeMachine } from './machine.js';
import { machineLine, resultLines } from './report.js';
import type { Suite } from './suite.js';

const suites: readonly Suite[] = [collectiveSuite, coordinatorSuite];

const usage = `usage: npm run bench -- [SUITE …] [--baseline] [--json FILE]
  suites: ${suites.map(({ name }) => name).join(', ')} (all without a name)
  --baseline  also run the other side, interleaved, with the Python at PROSPECT_BENCH_PYTHON (it must have PyTorch)
  --json      write the figures to a file too`;

function fail(message: string): never {
  console.error(`${message}\n${usage}`);
  process.exit(2);
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { baseline: { type: 'boolean', default: false }, json: { type: 'string' } },
    });
  } catch (error) {
    return fail((error as Error).message);
  }
}

const { positionals, values } = readArguments();
const unknown = positionals.find((name) => !suites.some((suite) => suite.name === name));
if (unknown !== undefined) fail(`there is no suite ${unknown}`);
const python = process.env['PROSPECT_BENCH_PYTHON'] ?? null;
if (values.baseline && python === null) fail('PROSPECT_BENCH_PYTHON is not set');

const chosen = suites.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const machine = describeMachine();
console.log(machineLine(machine));
const results: Record<string, unknown> = {};
for (const suite of chosen) {
  const onProgress = (what: string) => console.error(`  ${suite.name}: ${what}`);
  const result = await suite.run({ baseline: values.baseline, python, onProgress });
  console.log(['', ...resultLines(suite, result)].join('\n'));
  results[suite.name] = result;
}
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ machine, results }, null, 2)}\n`);
