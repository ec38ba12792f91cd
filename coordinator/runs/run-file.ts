import { join } from 'node:path';
import { parseRunFile } from '../../lib/config/load.js';
import type { RunConfig } from '../../lib/config/types.js';

/** The config of a run file as it lies, or will lie, in the run's output directory. Throws a ConfigError. */
export function readRunFile(text: string, outputDir: string): RunConfig {
  return parseRunFile(text, join(outputDir, 'run.yaml'), { baseDir: outputDir });
}
