import type { v1 } from '../../proto/services.js';
import type { RunState } from '../runs/state.js';

export type FailureKind = 'config' | 'runtime';

/** What the journal holds of one run. */
export interface RunRecord {
  readonly id: string;
  /** What its user calls it. */
  readonly name: string;
  readonly state: RunState;
  /** Why it failed or was cancelled; empty otherwise. */
  readonly reason: string;
  readonly failureKind: FailureKind | null;
  readonly runYaml: string;
  readonly outputDir: string;
  readonly skipBadRows: boolean;
  /** How many workers it should have now. */
  readonly workers: number;
  /** What it waits for where it is queued, or its files are fetched; empty otherwise. */
  readonly waitsFor: string;
  readonly committedSteps: number;
  /** Those of them that changed no weight. */
  readonly skippedSteps: number;
  /** Over all stages; 0 until the data is read. */
  readonly totalSteps: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export type NewRun = Pick<RunRecord, 'id' | 'name' | 'runYaml' | 'outputDir' | 'skipBadRows' | 'workers'>;

/** The reference's log-probs of one example, as they travel. */
export type ReferenceAnswer = v1.ReferenceAnswer.$Properties;

/** The part of a step that one worker computed. */
export interface StepShare {
  readonly workerId: string;
  /** Rows of the data, from 0. */
  readonly rows: readonly number[];
}

export interface StepRecord {
  readonly stage: number;
  readonly step: number;
  readonly generation: number;
  /** It counts, but changed no weight. */
  readonly skipped: boolean;
  readonly metricsJson: string;
  /** By rank. */
  readonly work: readonly StepShare[];
}

export interface CommittedStep extends StepRecord {
  /** New answers, by example of the stage's data. */
  readonly answers: ReadonlyMap<number, ReferenceAnswer>;
  /** By rank: where the members' time went. For those who watch only. */
  readonly workers: readonly v1.WorkerStep.$Properties[];
}

/** The columns of `steps` as SQLite returns them. */
export interface StepRow {
  readonly stage: number;
  readonly step: number;
  readonly generation: number;
  readonly skipped: number;
  readonly metrics_json: string;
  readonly work_json: string;
}

export interface StageRecord {
  readonly stage: number;
  /** Of its examples, as prepared. */
  readonly dataHash: string;
  /** Its model is there. */
  readonly completed: boolean;
}

/** Held-out rows, as they were judged after a step. */
export interface EvaluationRecord {
  readonly stage: number;
  /** 0 for the stage's start. */
  readonly step: number;
  readonly metricsJson: string;
}

export interface CheckpointRecord {
  readonly stage: number;
  readonly step: number;
  readonly directory: string;
  readonly bytes: number;
  readonly durationMs: number;
}

export interface MemberRecord {
  readonly workerId: string;
  readonly collectiveEndpoint: string;
  /** Empty where its collective does not encrypt. */
  readonly collectivePublicKey: string;
  readonly fingerprint: {
    readonly tensorflowVersion: string;
    readonly device: string;
    readonly threads: number;
  };
}

/** The columns of `runs` as SQLite returns them. */
export interface RunRow {
  readonly id: string;
  readonly name: string;
  readonly state: RunState;
  readonly reason: string;
  readonly failure_kind: FailureKind | null;
  readonly run_yaml: string;
  readonly output_dir: string;
  readonly skip_bad_rows: number;
  readonly workers: number;
  readonly waits_for: string;
  readonly committed_steps: number;
  readonly skipped_steps: number;
  readonly total_steps: number;
  readonly created_at_ms: number;
  readonly updated_at_ms: number;
}

export function toRecord(row: RunRow): RunRecord {
  return {
    id: row.id,
    name: row.name,
    state: row.state,
    reason: row.reason,
    failureKind: row.failure_kind,
    runYaml: row.run_yaml,
    outputDir: row.output_dir,
    skipBadRows: row.skip_bad_rows !== 0,
    workers: row.workers,
    waitsFor: row.waits_for,
    committedSteps: row.committed_steps,
    skippedSteps: row.skipped_steps,
    totalSteps: row.total_steps,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
  };
}

export function toStepRecord(row: StepRow): StepRecord {
  const { stage, step, generation } = row;
  return {
    stage,
    step,
    generation,
    skipped: row.skipped !== 0,
    metricsJson: row.metrics_json,
    work: JSON.parse(row.work_json) as StepShare[],
  };
}
