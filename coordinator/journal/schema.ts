/** Version of the tables below, kept in the file's `user_version`; 0 is a new file. */
export const SCHEMA_VERSION = 4;

const evaluations = `
  -- The held-out rows as judged after a step; step 0 is the stage's start.
  CREATE TABLE evaluations (
    run_id       TEXT NOT NULL REFERENCES runs (id),
    stage        INTEGER NOT NULL,
    step         INTEGER NOT NULL,
    metrics_json TEXT NOT NULL,
    PRIMARY KEY (run_id, stage, step)
  ) STRICT, WITHOUT ROWID;
`;

/** By version of an older journal: what makes the next version of it. */
export const upgrades: Readonly<Record<number, string>> = {
  3: `
    ALTER TABLE runs ADD COLUMN name TEXT NOT NULL DEFAULT '';
    ALTER TABLE runs ADD COLUMN queue_position INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE runs ADD COLUMN waits_for TEXT NOT NULL DEFAULT '';
    UPDATE runs SET name = id, queue_position = position;
    ${evaluations}
  `,
};

export const schema = `
  CREATE TABLE runs (
    position        INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT NOT NULL UNIQUE,
    name            TEXT NOT NULL,
    state           TEXT NOT NULL,
    reason          TEXT NOT NULL,
    failure_kind    TEXT,
    run_yaml        TEXT NOT NULL,
    output_dir      TEXT NOT NULL,
    skip_bad_rows   INTEGER NOT NULL,
    -- How many it should have now.
    workers         INTEGER NOT NULL,
    -- Queued runs start in this order; one that is resumed goes to the end.
    queue_position  INTEGER NOT NULL,
    -- What a queued run waits for; empty otherwise.
    waits_for       TEXT NOT NULL,
    committed_steps INTEGER NOT NULL,
    skipped_steps   INTEGER NOT NULL,
    total_steps     INTEGER NOT NULL,
    created_at_ms   REAL NOT NULL,
    updated_at_ms   REAL NOT NULL
  ) STRICT;

  -- Everything that WatchRun replays, as encoded WatchRunResponse messages.
  CREATE TABLE events (
    run_id   TEXT NOT NULL REFERENCES runs (id),
    sequence INTEGER NOT NULL,
    message  BLOB NOT NULL,
    PRIMARY KEY (run_id, sequence)
  ) STRICT, WITHOUT ROWID;

  -- What must be the same whenever the stage goes on, and whether its model is there.
  CREATE TABLE stages (
    run_id    TEXT NOT NULL REFERENCES runs (id),
    stage     INTEGER NOT NULL,
    data_hash TEXT NOT NULL,
    completed INTEGER NOT NULL,
    PRIMARY KEY (run_id, stage)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE steps (
    run_id       TEXT NOT NULL REFERENCES runs (id),
    stage        INTEGER NOT NULL,
    step         INTEGER NOT NULL,
    generation   INTEGER NOT NULL,
    -- It counts, but changed no weight.
    skipped      INTEGER NOT NULL,
    metrics_json TEXT NOT NULL,
    -- Who computed what: [{"workerId": "worker-0", "rows": [0, 4]}, ...], rows of the data from 0.
    work_json    TEXT NOT NULL,
    PRIMARY KEY (run_id, stage, step)
  ) STRICT, WITHOUT ROWID;

  -- The reference's answers, by example of the stage's data, as computed in the example's leaf of epoch 0: encoded
  -- ReferenceAnswer messages.
  CREATE TABLE reference_answers (
    run_id          TEXT NOT NULL REFERENCES runs (id),
    stage           INTEGER NOT NULL,
    example         INTEGER NOT NULL,
    message         BLOB NOT NULL,
    PRIMARY KEY (run_id, stage, example)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE memberships (
    run_id       TEXT NOT NULL REFERENCES runs (id),
    generation   INTEGER NOT NULL,
    members_json TEXT NOT NULL,
    PRIMARY KEY (run_id, generation)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE checkpoints (
    run_id        TEXT NOT NULL REFERENCES runs (id),
    stage         INTEGER NOT NULL,
    step          INTEGER NOT NULL,
    directory     TEXT NOT NULL,
    bytes         REAL NOT NULL,
    written_at_ms REAL NOT NULL,
    PRIMARY KEY (run_id, stage, step)
  ) STRICT, WITHOUT ROWID;
  ${evaluations}
`;
