import { serveEngine } from './engine-thread.js';
import { PolicyEngine, type OpenPolicy } from './policy-engine.js';

serveEngine((options: OpenPolicy, emit) => new PolicyEngine(options, emit));
