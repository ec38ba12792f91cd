import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { loadRunFile } from '../../lib/config/load.js';
import { renderRunFile } from '../../lib/config/render.js';
import { setUpTensorFlow } from '../tensorflow/setup.js';
import { requireNoRun, runEmbedded } from './embedded/run-embedded.js';
import { evaluateHeldOut, lastStageModels, readHeldOut } from './evaluation/held-out.js';
import type { EvaluatedModels } from './evaluation/evaluate.js';
import type { Terminal } from './output/terminal.js';

export interface TrainOptions {
  readonly runFile: string;
  /** `key=value`, applied over the run file in order. */
  readonly overrides: readonly string[];
  readonly outputDir: string;
  readonly skipBadRows: boolean;
}

/**
 * `prospect train`: checks the run file, sets TensorFlow up where it is not yet, trains on this machine, and judges the
 * result by held-out rows. Returns the directories of the last stage's models.
 */
export async function train(options: TrainOptions, terminal: Terminal): Promise<EvaluatedModels> {
  const { runFile, overrides, skipBadRows } = options;
  const config = loadRunFile(runFile, { set: overrides, cores: availableParallelism() });
  const outputDir = resolve(options.outputDir);
  requireNoRun(outputDir);
  const heldOut = await readHeldOut(config, skipBadRows, terminal);
  await setUpTensorFlow({ check: false, log: terminal.err.line });
  await runEmbedded({ runYaml: renderRunFile(config), outputDir, skipBadRows }, terminal.err);
  const run = { config, outputDir };
  if (heldOut !== null) await evaluateHeldOut(run, heldOut, terminal);
  return lastStageModels(run);
}
