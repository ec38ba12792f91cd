/** One rank in a process of its own, driven by its parent over IPC: see collective.test.ts. */
import { messageOf } from '../../lib/errors.js';
import { Collective } from '../../worker/collective/collective.js';
import { hashOf, LAYOUT, leavesOf, type Assignment, type Report } from '../support/collective-work.js';
import { allReduceLeaves } from '../support/collectives.js';

const report = (message: Report) => process.send!(message);

const collective = await Collective.bind({
  runId: 'run-1',
  host: '127.0.0.1',
  timeoutMs: Number(process.argv[2]),
});

process.on('message', (message: Assignment | 'close') => {
  // After `close` nothing may keep this process alive.
  if (message === 'close') void collective.close().then(() => process.disconnect());
  else void work(message);
});
report({ kind: 'bound', endpoint: collective.endpoint });

async function work(assignment: Assignment): Promise<void> {
  const { rank, runStarts, steps } = assignment;
  try {
    await collective.connect(assignment);
    for (let step = 0; step < steps; step++) {
      const sum = await allReduceLeaves(collective, rank, LAYOUT, leavesOf(step), runStarts, step);
      report({ kind: 'step', step, sum: hashOf(sum) });
    }
  } catch (error) {
    report({ kind: 'failed', error: (error as Error).name, message: messageOf(error) });
  }
}
