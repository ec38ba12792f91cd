/** A worker that computes nothing, and takes the same time for each step: what a step takes beyond it is the coordinator's. */
import { parseArgs } from 'node:util';
import { exitWithParent } from '../../../lib/process/lifeline.js';
import { ScriptedWorker } from '../../integration/coordinator-doubles/scripted-worker.js';
import { PACE_MS } from './pace.js';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    coordinator: text,
    'run-id': text,
    'worker-id': text,
    'listen-host': text,
    threads: text,
    'collective-security': text,
  },
});
exitWithParent(() => undefined);
const worker = new ScriptedWorker(values.coordinator!, values['run-id']!, values['worker-id']!, {
  onStep: (_, stepReport, self) => {
    setTimeout(() => self.send({ stepReport }), PACE_MS);
    return undefined;
  },
});
const { code } = await worker.exited;
process.exit(code ?? 1);
