import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { loadRunFile } from '../../lib/config/load.js';
import { renderRunFile } from '../../lib/config/render.js';
import type { RunConfig } from '../../lib/config/types.js';
import { setUpTensorFlow } from '../tensorflow/setup.js';
import { runEmbedded } from './embedded/run-embedded.js';
import type { Terminal } from './output/terminal.js';

export interface TrainOptions {
  readonly runFile: string;
  /** `key=value`, applied over the run file in order. */
  readonly overrides: readonly string[];
  readonly outputDir: string;
  readonly skipBadRows: boolean;
}

export interface TrainedRun {
  readonly config: RunConfig;
  /** Absolute. */
  readonly outputDir: string;
  readonly modelDir: string;
}

/** `prospect train`: checks the run file, sets TensorFlow up where it is not yet, and trains on this machine. */
export async function train(options: TrainOptions, { err }: Terminal): Promise<TrainedRun> {
  const config = loadRunFile(options.runFile, { set: options.overrides, cores: availableParallelism() });
  const outputDir = resolve(options.outputDir);
  await setUpTensorFlow({ check: false, log: err.line });
  await runEmbedded({ runYaml: renderRunFile(config), outputDir, skipBadRows: options.skipBadRows }, err);
  return { config, outputDir, modelDir: join(outputDir, 'model') };
}
