/** `coordinator-of-a-crowd.js STATE_DIR PROCESSES`: the coordinator as it is, with simulated workers in this many processes. */
import { createLogger } from '../../../lib/log.js';
import { runCoordinator } from '../../../coordinator/program.js';
import { CrowdLauncher } from './crowd-launcher.js';

const [stateDir, processes] = process.argv.slice(2) as [string, string];
await runCoordinator({
  stateDir,
  storageDir: stateDir,
  listen: '127.0.0.1:0',
  metricsListen: '127.0.0.1:0',
  paths: { kind: 'any' },
  maxWorkers: Number.POSITIVE_INFINITY,
  pageTokenFile: null,
  security: null,
  healthListen: null,
  makeLauncher: (address) => new CrowdLauncher(address, Number(processes)),
  log: createLogger('coordinator'),
});
process.exit(0);
