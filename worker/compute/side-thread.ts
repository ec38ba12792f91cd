import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../lib/errors.js';
import { perform } from './part-work.js';
import { Outcome, type Share } from './side-threads.js';

parentPort!.on('message', ({ work, outcome, complaint }: Share) => {
  try {
    work.forEach(perform);
  } catch (error) {
    // A zero is left behind it.
    new TextEncoder().encodeInto(messageOf(error), complaint.subarray(0, -1));
    Atomics.store(outcome, Outcome.failed, 1);
  }
  Atomics.sub(outcome, Outcome.open, 1);
  Atomics.notify(outcome, Outcome.open);
});
