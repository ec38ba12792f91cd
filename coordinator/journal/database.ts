import Database from 'libsql';
import { messageOf, RunError } from '../../lib/errors.js';
import { schema, SCHEMA_VERSION, upgrades } from './schema.js';

/** Opens the journal's file. A commit is on the disk when it returns. */
export function openDatabase(file: string): Database.Database {
  const database = new Database(file);
  try {
    database.exec('PRAGMA journal_mode = WAL');
    database.exec('PRAGMA synchronous = FULL');
    database.exec('PRAGMA foreign_keys = ON');
    migrate(database, file);
    return database;
  } catch (error) {
    database.close();
    throw asUserError(error, file);
  }
}

/**
 * Runs `body` as one transaction, which is on the disk when it returns. Throws a RunError where the disk refuses it;
 * nothing has changed then.
 */
export function transact<Result>(database: Database.Database, file: string, body: () => Result): Result {
  try {
    database.exec('BEGIN IMMEDIATE');
    const result = body();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    // Where the disk is full, SQLite has rolled back by itself. (libsql's own `transaction` then fails to do it again.)
    if (database.inTransaction) database.exec('ROLLBACK');
    throw asUserError(error, file);
  }
}

function migrate(database: Database.Database, file: string): void {
  transact(database, file, () => {
    const { user_version: version } = database.prepare('PRAGMA user_version').get() as {
      user_version: number;
    };
    if (version === 0) database.exec(schema);
    else upgrade(database, version, file);
    if (version !== SCHEMA_VERSION) database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  });
}

/** Takes the tables of an older version through all that came after it. */
function upgrade(database: Database.Database, from: number, file: string): void {
  for (let version = from; version !== SCHEMA_VERSION; version += 1) {
    const next = upgrades[version];
    if (next === undefined) {
      throw new RunError(
        `${file} has journal version ${from}, but this coordinator writes version ${SCHEMA_VERSION}: ` +
          'use another state directory, or the coordinator that made this one',
      );
    }
    database.exec(next);
  }
}

/** What the user can do something about is a RunError that names the file; anything else stays as it is. */
export function asUserError(error: unknown, file: string): unknown {
  const code = error instanceof Database.SqliteError ? error.code : '';
  if (code === 'SQLITE_NOTADB' || code === 'SQLITE_CORRUPT') {
    return new RunError(
      `${file} is not a journal or is damaged (${messageOf(error)}): use another state directory`,
    );
  }
  if (code === 'SQLITE_FULL' || code.startsWith('SQLITE_IOERR')) {
    return new RunError(`${file} cannot be written (${messageOf(error)}): see that its disk has free space`);
  }
  return error;
}
