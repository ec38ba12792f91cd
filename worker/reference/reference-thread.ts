import type { ReferenceModel } from '../../lib/config/reference-model.js';
import { serveEngine } from '../compute/engine-thread.js';
import { ReferenceEngine } from './reference-engine.js';

serveEngine((options: ReferenceModel) => new ReferenceEngine(options));
