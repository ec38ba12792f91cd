import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { Journal } from '../../../../coordinator/journal/journal.js';
import { WatchedRuns } from '../../../../coordinator/service/run-events.js';
import { NotFoundError } from '../../../../coordinator/service/status.js';
import { v1 } from '../../../../proto/services.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

const files = { runYaml: '', outputDir: '/out', skipBadRows: false, workers: 1 };

async function openJournal(t: TestContext): Promise<Journal> {
  const journal = Journal.open(await temporaryDirectory(t));
  t.after(() => journal.close());
  journal.addRun({ id: 'run-1', name: 'run', ...files });
  return journal;
}

function notice(journal: Journal, count: number): void {
  for (let i = 0; i < count; i++) journal.addEvent('run-1', { notice: { text: `${i}` } });
}

const sequenceOf = (bytes: Uint8Array) => v1.WatchRunResponse.decode(bytes).sequence;

test('whoever comes whenever, and reads how slowly ever, gets every event once and in order', async (t) => {
  const turn = fc.record({
    // Now and then more than are kept.
    added: fc.oneof(fc.nat(3), fc.integer({ min: 0, max: 900 })),
    comes: fc.boolean(),
    // Which of those who are there read now.
    reads: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(turn, { minLength: 1, maxLength: 6 }), async (turns) => {
      const journal = Journal.open(await temporaryDirectory(t));
      journal.addRun({ id: 'run-1', name: 'run', ...files });
      const watched = new WatchedRuns(journal);
      const watchers: { last: number; leave: () => void }[] = [];
      const readAll = (watcher: { last: number }) => {
        for (;;) {
          const events = watched.eventsOf('run-1').after(watcher.last);
          if (events.length === 0) return;
          for (const event of events) assert.equal(sequenceOf(event), ++watcher.last);
        }
      };
      for (const { added, comes, reads } of turns) {
        if (comes || watchers.length === 0) {
          const leave = watched.eventsOf('run-1').subscribe(() => undefined);
          watchers.push({ last: 0, leave });
        }
        notice(journal, added);
        watchers.forEach((watcher, index) => {
          if (reads[index % reads.length] === true) readAll(watcher);
        });
      }
      for (const watcher of watchers) {
        readAll(watcher);
        assert.equal(watcher.last, journal.lastSequence('run-1'));
        watcher.leave();
      }
      journal.close();
    }),
    { numRuns: 15 },
  );
});

test('those who watch are told of news until they leave', async (t) => {
  const journal = await openJournal(t);
  const events = new WatchedRuns(journal).eventsOf('run-1');
  let told = 0;
  const leaveEarly = events.subscribe(() => assert.fail('it has left'));
  const heard = new Promise<void>((resolve) => {
    events.subscribe(() => {
      told += 1;
      resolve();
    });
  });
  leaveEarly();
  notice(journal, 10);
  await heard;
  assert.deepEqual(
    events.after(1).map((bytes) => v1.WatchRunResponse.decode(bytes).notice?.text),
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
  );
  assert.equal(told, 1);
});

test('a run that has ended is over with all its events there, and is not when it goes on', async (t) => {
  const journal = await openJournal(t);
  const events = new WatchedRuns(journal).eventsOf('run-1');
  t.after(events.subscribe(() => undefined));
  assert.equal(events.over, false);
  journal.transition('run-1', 'cancelled');
  assert.equal(events.over, true);
  assert.equal(events.after(0).length, 2);
  journal.requeue('run-1', '');
  assert.equal(events.over, false);
});

test('all who watch a run share its events; once nobody does, they are let go', async (t) => {
  const watched = new WatchedRuns(await openJournal(t));
  const first = watched.eventsOf('run-1');
  const leave = [first.subscribe(() => undefined), first.subscribe(() => undefined)];
  assert.equal(watched.eventsOf('run-1'), first);
  leave[0]!();
  assert.equal(watched.eventsOf('run-1'), first);
  leave[1]!();
  const second = watched.eventsOf('run-1');
  assert.notEqual(second, first);
  second.subscribe(() => undefined)();
  assert.throws(() => watched.eventsOf('run-2'), NotFoundError);
});
