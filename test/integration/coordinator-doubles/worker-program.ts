/** The scripted worker as a process of its own. With PROSPECT_TEST_HANG set it never finishes a step. */
import { parseArgs } from 'node:util';
import { exitWithParent } from '../../../lib/process/lifeline.js';
import { showLife } from './life-signs.js';
import { ScriptedWorker } from './scripted-worker.js';

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
const workerId = values['worker-id']!;
exitWithParent(() => undefined);
showLife(workerId);
console.log(`${workerId} has ${values.threads!} threads`);
const hangs = process.env['PROSPECT_TEST_HANG'] !== undefined;
const worker = new ScriptedWorker(
  values.coordinator!,
  values['run-id']!,
  workerId,
  hangs ? { onStep: () => undefined } : {},
);
const { code } = await worker.exited;
process.exit(code ?? 1);
