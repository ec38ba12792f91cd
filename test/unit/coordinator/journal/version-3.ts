/** The tables of journal version 3 as it was, with an ended run, one that is under way and a queued one. */
export const version3 = `
  CREATE TABLE runs (
    position        INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT NOT NULL UNIQUE,
    state           TEXT NOT NULL,
    reason          TEXT NOT NULL,
    failure_kind    TEXT,
    run_yaml        TEXT NOT NULL,
    output_dir      TEXT NOT NULL,
    skip_bad_rows   INTEGER NOT NULL,
    -- How many it should have now.
    workers         INTEGER NOT NULL,
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

  INSERT INTO runs VALUES
    (1, 'run-00000001', 'completed', '', NULL, 'method: kto', '/out/1', 0, 2, 1, 0, 1, 1000, 2000),
    (2, 'run-00000002', 'running', '', NULL, 'method: sft', '/out/2', 1, 1, 2, 1, 9, 3000, 4000),
    (4, 'run-00000004', 'queued', '', NULL, 'method: kto', '/out/4', 0, 3, 0, 0, 0, 5000, 5000);
  -- WatchRunResponse { sequence: 1, run: { id: 'run-00000002', state: QUEUED } }
  INSERT INTO events VALUES ('run-00000002', 1, X'08011A100A0C72756E2D30303030303030321001');
  INSERT INTO stages VALUES ('run-00000002', 1, 'hash', 0);
  INSERT INTO steps VALUES
    ('run-00000002', 1, 1, 1, 0, '{"step":1}', '[{"workerId":"worker-0","rows":[0,4]}]'),
    ('run-00000002', 1, 2, 1, 1, '{"step":2}', '[{"workerId":"worker-0","rows":[1,2]}]');
  INSERT INTO memberships VALUES ('run-00000002', 1, '[]');
  INSERT INTO checkpoints VALUES ('run-00000002', 1, 2, '/out/2/checkpoints/stage-1-step-2', 10, 3500);
  PRAGMA user_version = 3;
`;
