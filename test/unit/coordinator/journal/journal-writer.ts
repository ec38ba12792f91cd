/** Commits steps until it is killed, and says so after each: the child of journal.test.ts. */
import { setImmediate } from 'node:timers/promises';
import { Journal } from '../../../../coordinator/journal/journal.js';

const journal = Journal.open(process.argv[2]!);
journal.addRun({ id: 'run-1', name: 'run', runYaml: '', outputDir: '/out', skipBadRows: false, workers: 1 });
journal.transition('run-1', 'starting');
journal.transition('run-1', 'running');
for (let step = 1; process.connected; step++) {
  const answers = new Map([[step, { completions: [{ logp: -step }] }]]);
  const committed = {
    stage: 1,
    step,
    generation: 1,
    skipped: false,
    metricsJson: '{}',
    work: [],
    workers: [],
    answers,
  };
  journal.commitStep('run-1', committed);
  process.send!(step);
  await setImmediate();
}
