/** A worker that computes nothing, and takes the same time for each step: what a step takes beyond it is the coordinator's. */
import { exitWithParent } from '../../../lib/process/lifeline.js';
import { ScriptedWorker } from '../../integration/coordinator-doubles/scripted-worker.js';
import { readWorkerArguments } from '../../integration/coordinator-doubles/worker-arguments.js';
import { PACE_MS } from './pace.js';

const { coordinator, runId, workerId } = readWorkerArguments();
exitWithParent(() => undefined);
const worker = new ScriptedWorker(coordinator, runId, workerId, {
  onStep: (_, stepReport, self) => {
    setTimeout(() => self.send({ stepReport }), PACE_MS);
    return undefined;
  },
});
const { code } = await worker.exited;
process.exit(code ?? 1);
