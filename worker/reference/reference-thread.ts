import { serveEngine } from '../compute/engine-thread.js';
import { ReferenceEngine, type OpenReference } from './reference-engine.js';

serveEngine((options: OpenReference) => new ReferenceEngine(options));
