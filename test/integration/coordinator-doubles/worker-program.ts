/** The scripted worker as a process of its own. With PROSPECT_TEST_HANG set it never finishes a step. */
import { exitWithParent } from '../../../lib/process/lifeline.js';
import { showLife } from './life-signs.js';
import { ScriptedWorker } from './scripted-worker.js';
import { readWorkerArguments } from './worker-arguments.js';

const { coordinator, runId, workerId, threads } = readWorkerArguments();
exitWithParent(() => undefined);
showLife(workerId);
console.log(`${workerId} has ${threads} threads`);
const hangs = process.env['PROSPECT_TEST_HANG'] !== undefined;
const worker = new ScriptedWorker(coordinator, runId, workerId, hangs ? { onStep: () => undefined } : {});
const { code } = await worker.exited;
process.exit(code ?? 1);
