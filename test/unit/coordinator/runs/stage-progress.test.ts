import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Journal } from '../../../../coordinator/journal/journal.js';
import { StageProgress } from '../../../../coordinator/runs/stage-progress.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

test('what is done beside the steps is not in their time, also where it fails', async (t) => {
  const journal = Journal.open(await temporaryDirectory(t));
  t.after(() => journal.close());
  const run = { id: 'run-1', name: '', runYaml: '', outputDir: '/out', skipBadRows: false, workers: 1 };
  const progress = new StageProgress({ journal, record: journal.addRun(run) }, 1);
  const begunMs = performance.now();
  progress.startClock();
  let besideMs = 0;
  const work = async () => {
    const sinceMs = performance.now();
    await delay(20);
    besideMs += performance.now() - sinceMs;
  };
  const fail = async () => {
    await work();
    throw new Error('broken off');
  };
  await progress.besideSteps(work);
  await assert.rejects(progress.besideSteps(fail), /broken off/);
  const { stepTimeS } = progress;
  assert.ok(stepTimeS * 1000 <= performance.now() - begunMs - besideMs);
});
