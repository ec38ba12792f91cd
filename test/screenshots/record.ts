// Records the run that the pictures show: node dist/test/screenshots/record.js
// It is the demo's, submitted to a coordinator of its own, with held-out rows, samples and checkpoints; one of its workers
// is killed on the way. It takes some minutes.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { credentials } from '@grpc/grpc-js';
import { parseDocument } from 'yaml';
import { watchRun } from '../../deploy/cli/runs/run-client.js';
import { writeTinyModel } from '../../deploy/demo/tiny-model.js';
import { packagePath } from '../../lib/package.js';
import { connect } from '../../proto/calls.js';
import { v1 } from '../../proto/services.js';
import { prospect } from '../integration/prospect.js';
import { workerIdOf } from '../support/coordinator-process.js';
import { ServiceProcess } from '../support/service-process.js';
import { recordedStages, recordingFile } from './recording.js';

/** The worker that is killed, and the step of the last stage after which it is. */
const killed = { workerId: 'worker-1', step: 22 } as const;

/** What the last stage has beside what the demo's has. Weights of its own it has not: the diagnosis sees that they lack. */
const lastStage = {
  desirable_weight: undefined,
  undesirable_weight: undefined,
  max_steps: recordedStages[1].steps,
  eval_steps: 8,
  samples: { every_steps: 16, prompts: 3, temperature: 0.7 },
} as const;

/** Writes the run's files into a directory; returns its run file. */
async function writeRun(dir: string): Promise<string> {
  const data = packagePath('deploy/demo/data');
  cpSync(data, join(dir, 'data'), { recursive: true });
  await writeTinyModel(join(dir, 'model'), data, 1);
  const run = parseDocument(readFileSync(packagePath('deploy/demo/demo.yaml'), 'utf8'));
  run.set('model', 'model');
  run.set('save_steps', 20);
  for (const [key, value] of Object.entries(lastStage)) {
    if (value === undefined) run.deleteIn(['stages', 1, key]);
    else run.setIn(['stages', 1, key], value);
  }
  const file = join(dir, 'shop-replies.yaml');
  writeFileSync(file, run.toString());
  return file;
}

async function submit(file: string, { address }: ServiceProcess): Promise<string> {
  const { code, stdout, stderr } = await prospect(['submit', file, '--no-wait', '--coordinator', address]);
  if (code !== 0) throw new Error(stderr);
  return stdout.trim();
}

/** All events of a run; kills a worker on the way. */
async function follow(id: string, service: ServiceProcess): Promise<v1.WatchRunResponse[]> {
  const client = connect(service.address, credentials.createInsecure());
  const events: v1.WatchRunResponse[] = [];
  try {
    for await (const event of watchRun(client, id)) {
      events.push(event);
      if (isTimeToKill(event)) killWorker(service);
    }
    return events;
  } finally {
    client.close();
  }
}

function isTimeToKill({ stepCommitted }: v1.WatchRunResponse): boolean {
  if (stepCommitted?.stage !== recordedStages.length) return false;
  const { step } = JSON.parse(stepCommitted.metricsJson ?? '') as { readonly step: number };
  return step === killed.step;
}

function killWorker(service: ServiceProcess): void {
  const worker = service.processes().find((process_) => workerIdOf(process_) === killed.workerId);
  if (worker === undefined) throw new Error(`${killed.workerId} is not there`);
  process.kill(worker.pid, 'SIGKILL');
}

const dir = mkdtempSync(join(tmpdir(), 'prospect-recording-'));
const service = new ServiceProcess(dir, ['--shared-root', dir]);
try {
  const file = await writeRun(dir);
  await service.start();
  const events = await follow(await submit(file, service), service);
  const lines = events.map((event) => JSON.stringify(v1.WatchRunResponse.toObject(event, { enums: String })));
  // The paths of this machine, as those of another.
  const text = lines.map((line) => `${line}\n`.replaceAll(service.stateDir, '/srv/prospect'));
  writeFileSync(recordingFile, gzipSync(text.join('').replaceAll(dir, '/home/ada/shop'), { level: 9 }));
} finally {
  await service.terminate();
  rmSync(dir, { recursive: true });
}
