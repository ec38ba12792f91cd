import { measurePeakFlops } from '../profile/peak.js';
import { startRecording } from '../profile/recorder.js';
import { serveEngine } from './engine-thread.js';
import { PolicyEngine, type OpenPolicy } from './policy-engine.js';

startRecording(() => ({ process: 'worker', thread: 'compute', peakFlops: measurePeakFlops() }));
serveEngine((options: OpenPolicy, emit) => new PolicyEngine(options, emit), 'commit');
