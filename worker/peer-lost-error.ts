import { RunError } from '../lib/errors.js';

/**
 * Another worker died, left or fell silent: what this worker reports is a consequence, and the cause is to be sought
 * there.
 */
export class PeerLostError extends RunError {}
