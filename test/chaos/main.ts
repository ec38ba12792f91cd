import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { methodNames } from '../../lib/methods/needs.js';
import type { Method } from '../../lib/config/types.js';
import { disturb, type ChaosRun } from './experiment.js';
import { formatStrikes } from './report.js';
import { formatSchedule, makeSchedule, parseSchedule, type Fault } from './schedule.js';

const usage = `npm run chaos -- [--seed S] [--kills K] [--steps N] [--workers N] [--method M] [--lora]
                 [--schedule FILE]

Trains a tiny model while processes are killed, stopped and added at random moments, and compares the result with the
same run left alone: weights bit for bit, metrics, the journal, and what is left behind. Exit code 1 where they differ.

  --seed S         of the schedule. Default: a new one
  --kills K        faults in the schedule. Default 20
  --steps N        optimizer steps. Default 60
  --workers N      that the run begins with. Default 3
  --method M       Default kto
  --lora           train an adapter
  --schedule FILE  faults as an earlier call printed them, instead of --seed and --kills
`;

interface Options {
  readonly run: ChaosRun;
  /** Null where the schedule comes from a file. */
  readonly seed: number | null;
  readonly schedule: readonly Fault[];
}

function readOptions(): Options {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      seed: text,
      kills: { ...text, default: '20' },
      steps: { ...text, default: '60' },
      workers: { ...text, default: '3' },
      method: { ...text, default: 'kto' },
      lora: { type: 'boolean', default: false },
      schedule: text,
    },
  });
  const method = methodNames.find((name) => name === values.method);
  if (method === undefined)
    throw new Error(`--method: ${values.method} is none of ${methodNames.join(', ')}`);
  const run = {
    method: method satisfies Method,
    lora: values.lora,
    steps: wholeNumber('steps', values.steps),
    workers: wholeNumber('workers', values.workers),
  };
  if (values.schedule !== undefined) {
    return { run, seed: null, schedule: parseSchedule(readFileSync(values.schedule, 'utf8')) };
  }
  const seed = wholeNumber('seed', values.seed ?? `${Math.floor(Math.random() * 2 ** 31)}`);
  const faults = wholeNumber('kills', values.kills);
  return { run, seed, schedule: makeSchedule({ seed, faults, steps: run.steps }) };
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Error(`--${name}: ${text} is not a whole number`);
  return value;
}

/** Returns the exit code. */
async function main({ run, seed, schedule }: Options): Promise<number> {
  process.stdout.write(`${JSON.stringify(run)}\n`);
  if (seed !== null) process.stdout.write(`seed ${seed}\n`);
  process.stdout.write(`schedule:\n${formatSchedule(schedule)}\n`);
  const { strikes, commits, wrong, dir, durationMs } = await disturb(run, schedule);
  process.stdout.write(`${formatStrikes(strikes, commits)}\n`);
  const seconds = (durationMs / 1000).toFixed(1);
  if (wrong.length === 0) {
    process.stdout.write(
      `ok: ${commits.length} steps and ${strikes.length} of ${schedule.length} faults in ${seconds} s; ` +
        'the same weights and metrics, every row used once, nothing left behind\n',
    );
    return 0;
  }
  process.stdout.write(`wrong after ${seconds} s${seed === null ? '' : `, seed ${seed}`}:\n`);
  for (const line of wrong) process.stdout.write(`  ${line}\n`);
  process.stdout.write(`logs are in ${dir}\n`);
  return 1;
}

let options: Options | undefined;
try {
  options = readOptions();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  process.exitCode = 2;
}
if (options !== undefined) process.exitCode = await main(options);
