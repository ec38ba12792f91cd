import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigError } from '../../../lib/errors.js';
import type { BenchOptions, Measurement, Suite, SuiteResult } from '../suite.js';
import { runChild } from './child.js';
import { measurementsOf, type Trainings } from './measurements.js';
import { partNames, preparePart, whyNot, type Given, type Part, type PartName } from './part.js';
import { SAMPLE_EVERY_MS } from './peak-memory.js';
import { EPOCHS, trainWithProspect } from './prospect.js';
import { trainWithPyTorch, type PyTorch } from './pytorch.js';
import { writeRows, type BenchRows } from './rows.js';

export const DEFAULT_ROUNDS = 2;

const ADAPTER_SCRIPT = fileURLToPath(
  new URL('../../../../test/bench/python/fresh_adapter.py', import.meta.url),
);

export const stepSuite: Suite = {
  name: 'step',
  baseline: 'PyTorch',
  async run(options) {
    const given = {
      model: process.env['PROSPECT_BENCH_MODEL'] ?? null,
      feedback: process.env['PROSPECT_BENCH_FEEDBACK'] ?? null,
    };
    const pyTorch = options.baseline ? findPyTorch(options) : null;
    const chosen = partNames.filter((name) => options.only.length === 0 || options.only.includes(name));
    const directory = mkdtempSync(join(tmpdir(), 'prospect-bench-'));
    const remove = () => rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
    process.once('exit', remove);
    try {
      return await runParts(chosen, given, { options, pyTorch, directory });
    } finally {
      remove();
      process.off('exit', remove);
    }
  },
};

/** @throws ConfigError where the environment does not name its script */
function findPyTorch({ python }: BenchOptions): PyTorch {
  const script = process.env['PROSPECT_BENCH_PYTORCH'];
  if (script !== undefined) return { python: python!, script };
  throw new ConfigError('PROSPECT_BENCH_PYTORCH is not set: the path of kto_pytorch.py');
}

interface Surroundings {
  readonly options: BenchOptions;
  readonly pyTorch: PyTorch | null;
  /** For all that is written. */
  readonly directory: string;
}

async function runParts(
  names: readonly PartName[],
  given: Given,
  surroundings: Surroundings,
): Promise<SuiteResult> {
  const measurements: Measurement[] = [];
  const notMeasured = [
    'the first step of either side, which warms up; loading the model, and saving it',
    `peaks of memory (PSS of all processes of a side) between two looks, ${SAMPLE_EVERY_MS / 1000} s apart`,
  ];
  for (const name of names) {
    const reason = whyNot(name, given);
    if (reason !== null) {
      notMeasured.push(`${name}: ${reason}`);
      continue;
    }
    const result = await measurePart(await preparePart(name, given, surroundings.directory), surroundings);
    measurements.push(...result.measurements);
    notMeasured.push(...result.notMeasured);
  }
  return { measurements, notMeasured };
}

/** In rounds, the sides by turns: what disturbs the machine disturbs both. */
async function measurePart(part: Part, { options, pyTorch, directory }: Surroundings): Promise<SuiteResult> {
  const steps = options.steps ?? part.steps;
  const rows = await writeRows(part, steps, directory);
  const adapter = pyTorch !== null && part.lora ? await freshAdapter(pyTorch, part, directory) : null;
  const trainings: Trainings = { ours: [], allLogits: [], best: [] };
  for (let round = 1; round <= options.rounds; round++) {
    const tell = (what: string) =>
      options.onProgress(`${part.name}, round ${round} of ${options.rounds}: ${what}`);
    tell(`Prospect, ${EPOCHS} epochs of ${steps} steps`);
    trainings.ours.push(await trainWithProspect(part, rows.feedback, adapter, directory));
    if (pyTorch !== null) await pyTorchTurn(pyTorch, part, { rows, steps, tell, trainings });
  }
  return measurementsOf(part, steps, trainings);
}

interface Turn {
  readonly rows: BenchRows;
  /** Of an epoch. */
  readonly steps: number;
  readonly tell: (what: string) => void;
  readonly trainings: Trainings;
}

async function pyTorchTurn(
  pyTorch: PyTorch,
  part: Part,
  { rows, steps, tell, trainings }: Turn,
): Promise<void> {
  tell(`PyTorch, all logits, ${EPOCHS * steps} steps`);
  const whole = { way: 'all-logits', steps: EPOCHS * steps } as const;
  trainings.allLogits.push(await trainWithPyTorch(pyTorch, part, rows.tokens, whole));
  if (!part.best) return;
  tell(`PyTorch at its best, ${steps} steps`);
  trainings.best.push(await trainWithPyTorch(pyTorch, part, rows.tokens, { way: 'best', steps }));
}

/** The two sides would draw other random numbers: both start from PyTorch's. */
async function freshAdapter({ python }: PyTorch, { model }: Part, directory: string): Promise<string> {
  const adapter = join(directory, 'adapter');
  await runChild(python, [ADAPTER_SCRIPT, model, adapter]);
  return adapter;
}
