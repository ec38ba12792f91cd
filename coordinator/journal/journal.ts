import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type Database from 'libsql';
import { v1 } from '../../proto/services.js';
import { isUnderWay, mayBecome, type RunState } from '../runs/state.js';
import { openDatabase, transact } from './database.js';
import { runMessage } from './messages.js';
import { StateLock } from './state-lock.js';
import {
  toRecord,
  toStepRecord,
  type CheckpointRecord,
  type CommittedStep,
  type EvaluationRecord,
  type FailureKind,
  type MemberRecord,
  type NewRun,
  type ReferenceAnswer,
  type RunRecord,
  type RunRow,
  type StageRecord,
  type StepRecord,
  type StepRow,
} from './records.js';

export interface Outcome {
  readonly reason: string;
  readonly failureKind: FailureKind | null;
}

const endOfQueue = 'SELECT coalesce(max(queue_position), 0) + 1 FROM runs';

/** What may be told to those who watch a run, besides its state and its steps, which other methods record. */
export type RunEvent = Omit<v1.WatchRunResponse.$Properties, 'sequence' | 'timeMs'>;

/** Events read at once. */
const PAGE_EVENTS = 256;

/**
 * The coordinator's durable memory: one SQLite file in the state directory. Every method is one transaction that is on
 * the disk when it returns, and every change that a watcher should see appends its event in the same transaction.
 */
export class Journal {
  readonly #lock: StateLock;
  readonly #file: string;
  readonly #database: Database.Database;
  readonly #listeners = new Map<string, Set<() => void>>();

  private constructor(lock: StateLock, file: string, database: Database.Database) {
    this.#lock = lock;
    this.#file = file;
    this.#database = database;
  }

  /** Opens or creates the journal. Throws a RunError where another coordinator uses it or its version is not ours. */
  static open(stateDir: string): Journal {
    mkdirSync(stateDir, { recursive: true });
    const lock = new StateLock(stateDir);
    const file = join(stateDir, 'journal.sqlite');
    try {
      return new Journal(lock, file, openDatabase(file));
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  close(): void {
    this.#database.close();
    this.#lock.release();
  }

  /** Records a new run as queued, behind all others. */
  addRun({ id, name, runYaml, outputDir, skipBadRows, workers }: NewRun, waitsFor = ''): RunRecord {
    return this.#change(id, () => {
      const now = Date.now();
      this.#database
        .prepare(
          `INSERT INTO runs (id, name, state, reason, failure_kind, run_yaml, output_dir, skip_bad_rows, workers,
             queue_position, waits_for, committed_steps, skipped_steps, total_steps, created_at_ms, updated_at_ms)
             VALUES (?, ?, 'queued', '', NULL, ?, ?, ?, ?, (${endOfQueue}), ?, 0, 0, 0, ?, ?)`,
        )
        .run(id, name, runYaml, outputDir, skipBadRows ? 1 : 0, workers, waitsFor, now, now);
      return this.#appendState(id);
    });
  }

  findRun(id: string): RunRecord | undefined {
    const row = this.#database.prepare('SELECT * FROM runs WHERE id = ?').get(id) as RunRow | undefined;
    return row === undefined ? undefined : toRecord(row);
  }

  /** All runs, oldest first. */
  runs(): RunRecord[] {
    return (this.#database.prepare('SELECT * FROM runs ORDER BY position').all() as RunRow[]).map(toRecord);
  }

  /** Queued runs, in the order in which they start. */
  queuedRuns(): RunRecord[] {
    const rows = this.#database
      .prepare("SELECT * FROM runs WHERE state = 'queued' ORDER BY queue_position")
      .all() as RunRow[];
    return rows.map(toRecord);
  }

  /** Moves a run to its next state; one that the transition table does not allow is a defect. */
  transition(id: string, to: RunState, outcome: Outcome = { reason: '', failureKind: null }): RunRecord {
    return this.#change(id, () => {
      this.#move(id, to, outcome);
      return this.#appendState(id);
    });
  }

  /** Queues a run again that has ended, behind all others. */
  requeue(id: string, waitsFor: string): RunRecord {
    return this.#change(id, () => {
      this.#move(id, 'queued', { reason: '', failureKind: null });
      this.#database
        .prepare(`UPDATE runs SET queue_position = (${endOfQueue}), waits_for = ? WHERE id = ?`)
        .run(waitsFor, id);
      return this.#appendState(id);
    });
  }

  /** Records what a run waits for that is queued, or whose files are fetched. */
  setWaitsFor(id: string, waitsFor: string): RunRecord {
    return this.#change(id, () => {
      this.#database.prepare('UPDATE runs SET waits_for = ? WHERE id = ?').run(waitsFor, id);
      return this.#appendState(id);
    });
  }

  setTotalSteps(id: string, totalSteps: number): void {
    this.#transact(() =>
      this.#database
        .prepare('UPDATE runs SET total_steps = ?, updated_at_ms = ? WHERE id = ?')
        .run(totalSteps, Date.now(), id),
    );
  }

  /** Changes how many workers a run should have. */
  setWorkers(id: string, workers: number): RunRecord {
    return this.#change(id, () => {
      this.#database
        .prepare('UPDATE runs SET workers = ?, updated_at_ms = ? WHERE id = ?')
        .run(workers, Date.now(), id);
      return this.#appendState(id);
    });
  }

  /** Records what a stage is about to be trained on. */
  beginStage(id: string, stage: number, dataHash: string): void {
    this.#transact(() =>
      this.#database
        .prepare('INSERT INTO stages (run_id, stage, data_hash, completed) VALUES (?, ?, ?, 0)')
        .run(id, stage, dataHash),
    );
  }

  /** Records that a stage's model is there. */
  completeStage(id: string, stage: number): void {
    this.#transact(() =>
      this.#database.prepare('UPDATE stages SET completed = 1 WHERE run_id = ? AND stage = ?').run(id, stage),
    );
  }

  /** The stages that have begun. */
  stages(id: string): StageRecord[] {
    const rows = this.#database
      .prepare('SELECT stage, data_hash AS dataHash, completed FROM stages WHERE run_id = ? ORDER BY stage')
      .all(id) as { stage: number; dataHash: string; completed: number }[];
    return rows.map((row) => ({ ...row, completed: row.completed !== 0 }));
  }

  addEvent(id: string, event: RunEvent): void {
    this.#change(id, () => this.#append(id, event));
  }

  addMembership(id: string, generation: number, members: readonly MemberRecord[]): void {
    this.#transact(() =>
      this.#database
        .prepare('INSERT INTO memberships (run_id, generation, members_json) VALUES (?, ?, ?)')
        .run(id, generation, JSON.stringify(members)),
    );
  }

  /** The last generation that was formed; 0 for none. */
  lastGeneration(id: string): number {
    const { last } = this.#database
      .prepare('SELECT coalesce(max(generation), 0) AS last FROM memberships WHERE run_id = ?')
      .get(id) as { last: number };
    return last;
  }

  memberships(id: string): { generation: number; members: MemberRecord[] }[] {
    const rows = this.#database
      .prepare('SELECT generation, members_json FROM memberships WHERE run_id = ? ORDER BY generation')
      .all(id) as { generation: number; members_json: string }[];
    return rows.map((row) => ({
      generation: row.generation,
      members: JSON.parse(row.members_json) as MemberRecord[],
    }));
  }

  /** The durable commit of an optimizer step: its metrics, the new answers of the reference, and the event. */
  commitStep(id: string, committed: CommittedStep): void {
    const { stage, step, generation, skipped, metricsJson, work, answers, workers } = committed;
    this.#change(id, () => {
      this.#database
        .prepare(
          `INSERT INTO steps (run_id, stage, step, generation, skipped, metrics_json, work_json)
             VALUES (?, ?, ?, ?, ?, ?, ?)`,
        )
        .run(id, stage, step, generation, skipped ? 1 : 0, metricsJson, JSON.stringify(work));
      const insertAnswer = this.#database.prepare(
        'INSERT INTO reference_answers (run_id, stage, example, message) VALUES (?, ?, ?, ?)',
      );
      for (const [example, answer] of answers) {
        insertAnswer.run(id, stage, example, v1.ReferenceAnswer.encode(answer).finish());
      }
      this.#database
        .prepare(
          `UPDATE runs SET committed_steps = committed_steps + 1, skipped_steps = skipped_steps + ?,
             updated_at_ms = ? WHERE id = ?`,
        )
        .run(skipped ? 1 : 0, Date.now(), id);
      this.#append(id, { stepCommitted: { stage, metricsJson, workers: [...workers] } });
    });
  }

  /** All committed steps, in order. */
  committedSteps(id: string): StepRecord[] {
    const rows = this.#database
      .prepare('SELECT * FROM steps WHERE run_id = ? ORDER BY stage, step')
      .all(id) as StepRow[];
    return rows.map(toStepRecord);
  }

  findStep(id: string, stage: number, step: number): StepRecord | undefined {
    const row = this.#database
      .prepare('SELECT * FROM steps WHERE run_id = ? AND stage = ? AND step = ?')
      .get(id, stage, step) as StepRow | undefined;
    return row === undefined ? undefined : toStepRecord(row);
  }

  /** The last committed step of a stage; 0 for none. */
  lastStep(id: string, stage: number): number {
    const { last } = this.#database
      .prepare('SELECT coalesce(max(step), 0) AS last FROM steps WHERE run_id = ? AND stage = ?')
      .get(id, stage) as { last: number };
    return last;
  }

  /** How many of a stage's steps up to this one changed the weights. */
  updatesThrough(id: string, stage: number, step: number): number {
    const { updates } = this.#database
      .prepare(
        `SELECT count(*) AS updates FROM steps WHERE run_id = ? AND stage = ? AND step <= ? AND skipped = 0`,
      )
      .get(id, stage, step) as { updates: number };
    return updates;
  }

  /** Records how held-out rows were judged, in `durationMs`. */
  addEvaluation(
    id: string,
    { stage, step, metricsJson, durationMs }: EvaluationRecord & { readonly durationMs: number },
  ): void {
    this.#change(id, () => {
      this.#database
        .prepare('INSERT INTO evaluations (run_id, stage, step, metrics_json) VALUES (?, ?, ?, ?)')
        .run(id, stage, step, metricsJson);
      this.#append(id, { evaluated: { stage, step, metricsJson, durationMs } });
    });
  }

  /** All judgements of held-out rows, in order. */
  evaluations(id: string): EvaluationRecord[] {
    return this.#database
      .prepare(
        'SELECT stage, step, metrics_json AS metricsJson FROM evaluations WHERE run_id = ? ORDER BY stage, step',
      )
      .all(id) as EvaluationRecord[];
  }

  /** Records a checkpoint that is complete. */
  addCheckpoint(id: string, { stage, step, directory, bytes, durationMs }: CheckpointRecord): void {
    this.#change(id, () => {
      this.#database
        .prepare(
          `INSERT OR REPLACE INTO checkpoints (run_id, stage, step, directory, bytes, written_at_ms)
             VALUES (?, ?, ?, ?, ?, ?)`,
        )
        .run(id, stage, step, directory, bytes, Date.now());
      this.#append(id, { checkpointWritten: { stage, step, directory, bytes, durationMs } });
    });
  }

  referenceAnswers(id: string, stage: number): Map<number, ReferenceAnswer> {
    const rows = this.#database
      .prepare('SELECT example, message FROM reference_answers WHERE run_id = ? AND stage = ?')
      .all(id, stage) as { example: number; message: ArrayBuffer }[];
    return new Map(
      rows.map(({ example, message }) => [example, v1.ReferenceAnswer.decode(new Uint8Array(message))]),
    );
  }

  /** The next events with a sequence number above `after`, at most `limit`. */
  eventsAfter(id: string, after: number, limit: number): v1.WatchRunResponse[] {
    return this.encodedEventsAfter(id, after, limit).map((bytes) => v1.WatchRunResponse.decode(bytes));
  }

  /** The same, as they travel. Their sequence numbers follow one another without a gap. */
  encodedEventsAfter(id: string, after: number, limit: number): Uint8Array[] {
    const rows = this.#database
      .prepare('SELECT message FROM events WHERE run_id = ? AND sequence > ? ORDER BY sequence LIMIT ?')
      .all(id, after, limit) as { message: ArrayBuffer }[];
    return rows.map(({ message }) => new Uint8Array(message));
  }

  /** The sequence number of the event of the `count`th last step; 0 where there are fewer. */
  latestStepsFrom(id: string, count: number): number {
    const statement = this.#database.prepare(
      'SELECT message FROM events WHERE run_id = ? AND sequence < ? ORDER BY sequence DESC LIMIT ?',
    );
    let left = count;
    for (let before = this.lastSequence(id) + 1; before > 1; before -= PAGE_EVENTS) {
      const rows = statement.all(id, before, PAGE_EVENTS) as { message: ArrayBuffer }[];
      for (const { message } of rows) {
        const { stepCommitted, sequence } = v1.WatchRunResponse.decode(new Uint8Array(message));
        if (stepCommitted && --left === 0) return sequence;
      }
    }
    return 0;
  }

  /** The sequence number of the last event; 0 for none. */
  lastSequence(id: string): number {
    const { last } = this.#database
      .prepare('SELECT coalesce(max(sequence), 0) AS last FROM events WHERE run_id = ?')
      .get(id) as { last: number };
    return last;
  }

  /** All events of a run so far, read a few at a time. */
  *events(id: string): Generator<v1.WatchRunResponse> {
    for (let after = 0; ;) {
      const page = this.eventsAfter(id, after, PAGE_EVENTS);
      yield* page;
      if (page.length === 0) return;
      after = page.at(-1)!.sequence;
    }
  }

  /** Calls `listener` after every new event of a run, until the returned function is called. */
  subscribe(id: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(id) ?? new Set();
    this.#listeners.set(id, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(id);
    };
  }

  /** Queues the runs again that a coordinator left in the middle, each at its old place: before all that had not begun. */
  requeueInterruptedRuns(): RunRecord[] {
    return this.runs()
      .filter(({ state }) => isUnderWay(state))
      .map(({ id }) => this.transition(id, 'queued'));
  }

  #run(id: string): RunRecord {
    const run = this.findRun(id);
    if (run === undefined) throw new Error(`the journal has no run ${id}`);
    return run;
  }

  #move(id: string, to: RunState, { reason, failureKind }: Outcome): void {
    const { state: from } = this.#run(id);
    if (!mayBecome(from, to)) throw new Error(`run ${id} cannot go from ${from} to ${to}`);
    this.#database
      .prepare(
        `UPDATE runs SET state = ?, reason = ?, failure_kind = ?, waits_for = '', updated_at_ms = ? WHERE id = ?`,
      )
      .run(to, reason, failureKind, Date.now(), id);
  }

  #transact<Result>(body: () => Result): Result {
    return transact(this.#database, this.#file, body);
  }

  #change<Result>(id: string, body: () => Result): Result {
    const result = this.#transact(body);
    for (const listener of [...(this.#listeners.get(id) ?? [])]) listener();
    return result;
  }

  #appendState(id: string): RunRecord {
    const run = this.#run(id);
    this.#append(id, { run: runMessage(run) });
    return run;
  }

  #append(id: string, event: RunEvent): void {
    const sequence = this.lastSequence(id) + 1;
    const message = v1.WatchRunResponse.encode({ ...event, sequence, timeMs: Date.now() }).finish();
    this.#database
      .prepare('INSERT INTO events (run_id, sequence, message) VALUES (?, ?, ?)')
      .run(id, sequence, message);
  }
}
