import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Method } from '../../lib/config/types.js';
import { describeExit } from '../../lib/process/child.js';
import { callUnary } from '../../proto/calls.js';
import { runService, v1 } from '../../proto/services.js';
import { CoordinatorProcess } from '../support/coordinator-process.js';
import { RunWatch, type Commit } from '../support/run-watch.js';
import { plannedRows, writeTinyRun, type RunKeys } from '../support/tiny-run.js';
import { auditJournal } from './audit.js';
import { findLeftovers } from './census.js';
import { Injector, type Strike } from './injector.js';
import { differences, metricsFileDiffers, readJournal, readOutcome, type Outcome } from './outcome.js';
import type { Fault } from './schedule.js';

/** What is trained while it is disturbed. */
export interface ChaosRun {
  readonly method: Method;
  readonly lora: boolean;
  readonly steps: number;
  readonly workers: number;
}

export interface ChaosResult {
  readonly strikes: readonly Strike[];
  readonly commits: readonly Commit[];
  /** What is not as it should be; empty where all is. */
  readonly wrong: readonly string[];
  /** With all logs. Removed where nothing is wrong. */
  readonly dir: string;
  readonly durationMs: number;
}

const endGraceMs = 30_000;
/** Longer than a silent worker is waited for (60 s) and a new one takes to start. */
const patienceMs = 150_000;
/** No worker is ever killed so often that it is given up: that is tested elsewhere. */
const maxRestarts = 1_000;

const outcomes = new Map<string, Promise<Outcome>>();

/** Disturbs a run as the schedule says, and compares it with the same run left alone. */
export async function disturb(run: ChaosRun, schedule: readonly Fault[]): Promise<ChaosResult> {
  const undisturbed = await outcomeLeftAlone(run);
  const result = await execute(run, schedule);
  const wrong = [
    ...result.wrong,
    ...(result.outcome === null ? [] : differences(result.outcome, undisturbed)),
  ];
  if (wrong.length === 0) rmSync(result.dir, { recursive: true });
  return { ...result, wrong };
}

/** Of the same run without any fault, once in this process. */
function outcomeLeftAlone(run: ChaosRun): Promise<Outcome> {
  const key = JSON.stringify(run);
  const known = outcomes.get(key);
  if (known !== undefined) return known;
  const outcome = execute(run, []).then(({ outcome, wrong, dir }) => {
    if (outcome === null || wrong.length > 0) {
      throw new Error(`the undisturbed run went wrong: ${wrong.join('; ')} (see ${dir})`);
    }
    rmSync(dir, { recursive: true });
    return outcome;
  });
  outcomes.set(key, outcome);
  return outcome;
}

async function execute(run: ChaosRun, schedule: readonly Fault[]) {
  const startMs = Date.now();
  const dir = mkdtempSync(join(tmpdir(), 'prospect-chaos-'));
  const outputDir = join(dir, 'out');
  const { file, text } = writeTinyRun(dir, { method: run.method, keys: keysOf(run) });
  const coordinator = new CoordinatorProcess(dir);
  coordinator.start();
  const wrong: string[] = [];
  let watch: RunWatch | undefined;
  let injector: Injector | undefined;
  let runId = '';
  try {
    const client = await coordinator.client();
    const submitted = await callUnary(client, runService.submitRun, { runYaml: text, outputDir });
    runId = submitted.run?.id ?? '';
    watch = new RunWatch(() => coordinator.client(), runId, patienceMs);
    injector = new Injector(coordinator, watch, runId, run.workers + 1);
    await injector.carryOut(schedule);
    const { reason } = await watch.ended;
    if (!hasCompleted(watch)) wrong.push(`the run failed: ${reason}`);
  } catch (error) {
    wrong.push(error instanceof Error ? error.message : String(error));
  } finally {
    // One that was started just now would not know yet how to end in order.
    await coordinator.client().catch(() => undefined);
    const exit = await coordinator.terminate({ graceMs: endGraceMs });
    if (exit.code !== 0) wrong.push(`at its end, the coordinator ${describeExit(exit)}`);
  }
  const commits = watch?.commits ?? [];
  wrong.push(...(await findLeftovers(coordinator, outputDir).catch(asLine)));
  if (runId !== '') {
    wrong.push(...(await auditRun({ coordinator, runId, file, text, outputDir, watch }).catch(asLine)));
  }
  return {
    strikes: injector?.strikes ?? [],
    commits,
    wrong,
    dir,
    durationMs: Date.now() - startMs,
    outcome: hasCompleted(watch) ? readOutcome(outputDir) : null,
  };
}

function hasCompleted(watch: RunWatch | undefined): boolean {
  return watch?.end?.state === v1.RunState.RUN_STATE_COMPLETED;
}

const asLine = (error: unknown) => [error instanceof Error ? error.message : String(error)];

function keysOf({ lora, steps, workers }: ChaosRun): RunKeys {
  return {
    workers,
    max_steps: steps,
    save_steps: 7,
    save_total_limit: 2,
    max_restarts: maxRestarts,
    ...(lora && { lora: { r: 4, alpha: 8 } }),
  };
}

interface EndedRun {
  readonly coordinator: CoordinatorProcess;
  readonly runId: string;
  readonly file: string;
  readonly text: string;
  readonly outputDir: string;
  readonly watch: RunWatch | undefined;
}

/** What the journal, the metrics file and those who watched were told, against the plan. */
async function auditRun({ coordinator, runId, file, text, outputDir, watch }: EndedRun): Promise<string[]> {
  const whole = await plannedRows(file, text);
  const journal = readJournal(coordinator.stateDir, runId);
  // Of a run that did not complete, the steps that it got to.
  const batches = hasCompleted(watch) ? whole.batches : whole.batches.slice(0, journal.steps.length);
  const plan = { ...whole, batches };
  const told = watch?.commits.map(({ step }) => step) ?? [];
  const due = plan.batches.map((_, i) => i + 1);
  return [
    ...auditJournal(journal, [plan]),
    ...metricsFileDiffers(outputDir, journal),
    ...(told.join() === due.join() ? [] : [`watchers were told of the steps ${told.join(', ')}`]),
  ];
}
