import Database from 'libsql';
import { messageOf, RunError } from '../../lib/errors.js';
import { schema, SCHEMA_VERSION } from './schema.js';

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

function migrate(database: Database.Database, file: string): void {
  database
    .transaction(() => {
      const { user_version: version } = database.prepare('PRAGMA user_version').get() as {
        user_version: number;
      };
      if (version === SCHEMA_VERSION) return;
      if (version !== 0) {
        throw new RunError(
          `${file} has journal version ${version}, but this coordinator writes version ${SCHEMA_VERSION}: ` +
            'use another state directory, or the coordinator that made this one',
        );
      }
      database.exec(schema);
      database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
    })
    .immediate();
}

function asUserError(error: unknown, file: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'SQLITE_NOTADB' || code === 'SQLITE_CORRUPT') {
    return new RunError(
      `${file} is not a journal or is damaged (${messageOf(error)}): use another state directory`,
    );
  }
  return error;
}
