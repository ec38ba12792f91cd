import type { v1 } from '../../proto/services.js';
import type { RunState } from '../runs/state.js';

export type FailureKind = 'config' | 'runtime';

/** What the journal holds of one run. */
export interface RunRecord {
  readonly id: string;
  readonly state: RunState;
  /** Why it failed or was cancelled; empty otherwise. */
  readonly reason: string;
  readonly failureKind: FailureKind | null;
  readonly runYaml: string;
  readonly outputDir: string;
  readonly skipBadRows: boolean;
  readonly committedSteps: number;
  /** Over all stages; 0 until the data is read. */
  readonly totalSteps: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export type NewRun = Pick<RunRecord, 'id' | 'runYaml' | 'outputDir' | 'skipBadRows'>;

/** The reference's log-probs of one example, as they travel. */
export type ReferenceAnswer = v1.ReferenceAnswer.$Properties;

export interface CommittedStep {
  readonly stage: number;
  readonly step: number;
  readonly generation: number;
  readonly metricsJson: string;
  /** New answers, by example of the stage's data. */
  readonly answers: ReadonlyMap<number, ReferenceAnswer>;
}

export interface MemberRecord {
  readonly workerId: string;
  readonly collectiveEndpoint: string;
  readonly fingerprint: {
    readonly tensorflowVersion: string;
    readonly device: string;
    readonly threads: number;
  };
}

/** The columns of `runs` as SQLite returns them. */
export interface RunRow {
  readonly id: string;
  readonly state: RunState;
  readonly reason: string;
  readonly failure_kind: FailureKind | null;
  readonly run_yaml: string;
  readonly output_dir: string;
  readonly skip_bad_rows: number;
  readonly committed_steps: number;
  readonly total_steps: number;
  readonly created_at_ms: number;
  readonly updated_at_ms: number;
}

export function toRecord(row: RunRow): RunRecord {
  return {
    id: row.id,
    state: row.state,
    reason: row.reason,
    failureKind: row.failure_kind,
    runYaml: row.run_yaml,
    outputDir: row.output_dir,
    skipBadRows: row.skip_bad_rows !== 0,
    committedSteps: row.committed_steps,
    totalSteps: row.total_steps,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
  };
}
