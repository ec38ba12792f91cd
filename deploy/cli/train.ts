import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { loadRunFile } from '../../lib/config/load.js';
import { mapRunPaths, runPaths } from '../../lib/config/paths.js';
import { renderRunFile } from '../../lib/config/render.js';
import { isPinOf, parseSource, renderSource } from '../../lib/config/source.js';
import type { RunConfig } from '../../lib/config/types.js';
import { ConfigError } from '../../lib/errors.js';
import { setUpTensorFlow } from '../tensorflow/setup.js';
import { requireNoRun, runEmbedded } from './embedded/run-embedded.js';
import { showEvaluation } from './evaluation/show.js';
import { lastStageModels, type StageModels } from './last-stage.js';
import type { Terminal } from './output/terminal.js';
import { profileDirectory, withProfile } from './profile/write.js';

export interface TrainOptions {
  readonly runFile: string;
  /** `key=value`, applied over the run file in order. */
  readonly overrides: readonly string[];
  readonly outputDir: string;
  readonly skipBadRows: boolean;
  /** Go on with the run that `outputDir` holds. */
  readonly resume: boolean;
  /** Record what the workers do in the first steps. */
  readonly profile: boolean;
}

/**
 * `prospect train`: checks the run file, sets TensorFlow up where it is not yet, trains on this machine, and shows what
 * that changed for held-out rows. Returns the directories of the last stage's models.
 */
export async function train(options: TrainOptions, terminal: Terminal): Promise<StageModels> {
  const { runFile, overrides, skipBadRows, resume, profile } = options;
  const config = loadRunFile(runFile, { set: overrides, cores: availableParallelism() });
  const outputDir = resolve(options.outputDir);
  if (resume) requireSameRun(config, outputDir, runFile);
  else requireNoRun(outputDir);
  await setUpTensorFlow({ check: false, log: terminal.err.line });
  const run = {
    runYaml: renderRunFile(config),
    outputDir,
    skipBadRows,
    resume: resume ? { workers: config.workers } : null,
    profileDir: profile ? profileDirectory(outputDir) : null,
  };
  const toItsEnd = () => runEmbedded(run, terminal.err);
  await (profile ? withProfile(outputDir, terminal, toItsEnd) : toItsEnd());
  await showEvaluation(outputDir, config.stages.length, terminal.out);
  return lastStageModels(config, outputDir);
}

/** A run goes on as it was begun, but for the number of workers. @throws ConfigError */
function requireSameRun(config: RunConfig, outputDir: string, runFile: string): void {
  const begun = loadRunFile(join(outputDir, 'run.yaml'), {});
  if (isDeepStrictEqual(begun.stages, withPinsOf(begun, config).stages)) return;
  throw new ConfigError(
    `${runFile} does not say what ${outputDir} was begun with: see the run.yaml in there. ` +
      'To train with other settings, choose another --out',
  );
}

/** The same run with the sources that the other one was pinned to, where they are those of this one. */
function withPinsOf(begun: RunConfig, config: RunConfig): RunConfig {
  const pinned = new Map(runPaths(begun).map(({ key, path }) => [key, path]));
  return mapRunPaths(config, ({ key, path }) => {
    const [before, asked] = [parseSource(pinned.get(key) ?? ''), parseSource(path)];
    return before !== null && asked !== null && isPinOf(before, asked) ? renderSource(before) : path;
  });
}
