import { serveEngine } from '../compute/engine-thread.js';
import { PartWriter } from './part-writer.js';

serveEngine(() => new PartWriter());
