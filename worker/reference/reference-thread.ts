import type { ReferenceModel } from '../../lib/config/reference-model.js';
import { startRecording } from '../../lib/profile/recorder.js';
import { serveEngine } from '../compute/engine-thread.js';
import { ReferenceEngine } from './reference-engine.js';

startRecording(() => ({ process: 'reference', thread: 'reference', peakFlops: null }), { knowsSteps: false });
serveEngine((options: ReferenceModel) => new ReferenceEngine(options));
