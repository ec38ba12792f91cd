import { workerData } from 'node:worker_threads';
import { measurePeakFlops } from '../profile/peak.js';
import { startRecording } from '../../lib/profile/recorder.js';
import { serveEngine } from './engine-thread.js';
import { PolicyEngine, type OpenPolicy } from './policy-engine.js';
import { SideThreads } from './side-threads.js';

/** What the thread is started with. */
export interface PolicyThreadData {
  readonly threads: number;
}

const { threads } = workerData as PolicyThreadData;
const sideThreads = new SideThreads(threads);

startRecording(() => ({ process: 'worker', thread: 'compute', peakFlops: measurePeakFlops() }));
serveEngine((options: OpenPolicy, emit) => new PolicyEngine(options, emit, sideThreads), 'commit');
