import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import Database from 'libsql';
import { z } from 'zod';
import type { JournalRecord } from './audit.js';

/** What a run came to. */
export interface Outcome {
  /** SHA-256 of every file of the model. */
  readonly model: Readonly<Record<string, string>>;
  readonly metrics: readonly MetricsLine[];
}

type MetricsLine = Readonly<Record<string, unknown>>;

/** The columns that no cluster may change. */
const comparedColumns = [
  ...['stage', 'step', 'method', 'epoch', 'loss', 'kl', 'kl_unclamped', 'grad_norm', 'learning_rate'],
  'num_tokens',
  ...['rewards/chosen', 'rewards/rejected', 'rewards/margins', 'logps/chosen', 'logps/rejected'],
];

export function readOutcome(outputDir: string): Outcome {
  const model = join(outputDir, 'model');
  const digests = readdirSync(model).map((name) => [name, sha256(join(model, name))] as const);
  return { model: Object.fromEntries(digests), metrics: readMetricsLines(outputDir).map(toMetrics) };
}

function readMetricsLines(outputDir: string): string[] {
  return readFileSync(join(outputDir, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
}

function toMetrics(line: string): MetricsLine {
  const row = JSON.parse(line) as MetricsLine;
  return Object.fromEntries(comparedColumns.map((name) => [name, row[name]]));
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** Where a disturbed run is not what the undisturbed one came to. */
export function differences(disturbed: Outcome, undisturbed: Outcome): string[] {
  const files = new Set([...Object.keys(undisturbed.model), ...Object.keys(disturbed.model)]);
  const weights = [...files]
    .filter((name) => disturbed.model[name] !== undisturbed.model[name])
    .map((name) => `model/${name} is ${disturbed.model[name]} and should be ${undisturbed.model[name]}`);
  const [ours, theirs] = [disturbed.metrics, undisturbed.metrics];
  if (ours.length !== theirs.length) {
    weights.push(`metrics.jsonl has ${ours.length} lines and should have ${theirs.length}`);
  }
  const lines = theirs.flatMap((line, i) =>
    comparedColumns
      .filter((name) => ours[i] !== undefined && !isDeepStrictEqual(ours[i][name], line[name]))
      .map((name) => `metrics.jsonl:${i + 1}: ${name} is ${text(ours[i]?.[name])}, not ${text(line[name])}`),
  );
  return [...weights, ...lines];
}

/** Where metrics.jsonl does not say what the journal says, line by line. */
export function metricsFileDiffers(outputDir: string, { steps }: JournalRecord): string[] {
  const lines = readMetricsLines(outputDir);
  return Array.from({ length: Math.max(lines.length, steps.length) }, (_, i) =>
    lines[i] === steps[i]?.metricsJson
      ? []
      : [`metrics.jsonl:${i + 1}: ${lines[i]}, but in the journal: ${steps[i]?.metricsJson}`],
  ).flat();
}

const text = (value: unknown) => JSON.stringify(value);

const workSchema = z.array(z.object({ workerId: z.string(), rows: z.array(z.int()) }));
const membersSchema = z.array(z.object({ workerId: z.string() }));

/** Reads the journal of a coordinator that has ended. */
export function readJournal(stateDir: string, runId: string): JournalRecord {
  const database = new Database(join(stateDir, 'journal.sqlite'));
  try {
    const steps = database
      .prepare('SELECT * FROM steps WHERE run_id = ? ORDER BY stage, step')
      .all(runId) as Record<string, unknown>[];
    const memberships = database
      .prepare('SELECT * FROM memberships WHERE run_id = ? ORDER BY generation')
      .all(runId) as Record<string, unknown>[];
    return {
      steps: steps.map((row) => ({
        stage: z.int().parse(row['stage']),
        step: z.int().parse(row['step']),
        generation: z.int().parse(row['generation']),
        metricsJson: z.string().parse(row['metrics_json']),
        work: workSchema.parse(JSON.parse(z.string().parse(row['work_json']))),
      })),
      memberships: memberships.map((row) => ({
        generation: z.int().parse(row['generation']),
        workers: membersSchema
          .parse(JSON.parse(z.string().parse(row['members_json'])))
          .map(({ workerId }) => workerId),
      })),
    };
  } finally {
    database.close();
  }
}
