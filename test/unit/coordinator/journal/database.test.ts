import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDatabase, transact } from '../../../../coordinator/journal/database.js';
import { RunError } from '../../../../lib/errors.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

test('a full disk is said to be one, with the file; the transaction has changed nothing, and the next one can', async (t) => {
  const file = join(await temporaryDirectory(t), 'journal.sqlite');
  const database = openDatabase(file);
  t.after(() => database.close());
  const addMembers = (generation: number, characters: number) =>
    transact(database, file, () => {
      database.exec(
        `INSERT INTO runs VALUES (${generation}, 'run-${generation}', '', '', '', NULL, '', '', 0, 1, 1, '', 0, 0, 0, 0, 0)`,
      );
      database.exec(
        `INSERT INTO memberships VALUES ('run-${generation}', ${generation}, '${'m'.repeat(characters)}')`,
      );
    });
  const { page_count: pages } = database.prepare('PRAGMA page_count').get() as { page_count: number };
  database.exec(`PRAGMA max_page_count = ${pages + 4}`);

  assert.throws(
    () => addMembers(1, 1_000_000),
    (error) =>
      error instanceof RunError && error.message.includes(file) && /full.*free space/.test(error.message),
  );
  addMembers(2, 10);
  assert.deepEqual(database.prepare('SELECT id FROM runs').all(), [{ id: 'run-2' }]);
});
