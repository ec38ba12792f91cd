/** A process of the bench that is many workers, each over a stream of its own, and computes nothing. */
import { setPriority } from 'node:os';
import { messageOf } from '../../../lib/errors.js';
import { ScriptedWorker } from '../../integration/coordinator-doubles/scripted-worker.js';

export interface CrowdCommand {
  readonly kind: 'join' | 'leave';
  readonly runId: string;
  readonly workerId: string;
}

/** What it tells: a worker has left, in order or not. */
export interface CrowdReport {
  readonly workerId: string;
  readonly code: number | null;
  readonly complaint: string | null;
}

// On a cluster they have machines of their own: here they must not take the processor from the coordinator.
setPriority(19);
const address = process.argv[2]!;
const workers = new Map<string, ScriptedWorker>();

process.once('disconnect', () => process.exit());
process.on('message', ({ kind, runId, workerId }: CrowdCommand) => {
  if (kind === 'join') join(runId, workerId);
  else workers.get(workerId)?.leave({ code: null, signal: 'SIGTERM' });
});

function join(runId: string, workerId: string): void {
  const worker = new ScriptedWorker(address, runId, workerId, { forgets: true });
  workers.set(workerId, worker);
  void worker.exited.then(({ code }) => {
    workers.delete(workerId);
    const complaint = worker.complaint === null ? null : messageOf(worker.complaint);
    process.send!({ workerId, code, complaint } satisfies CrowdReport);
  });
}
