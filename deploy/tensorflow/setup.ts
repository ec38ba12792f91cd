import { cacheRoot } from '../../lib/cache-root.js';
import { installedPackageRoot, readBindingSources } from './binding.js';
import { libraryDirectory } from './cache.js';
import { checkTensorFlow } from './check.js';
import type { Environment } from './command.js';
import { installLibrary } from './install.js';
import { isLinked, linkBinding, unlinkBinding } from './link.js';
import { chooseBuild } from './machine.js';
import type { Build } from './pins.js';

export interface SetUpOptions {
  /** Load the library and measure it also when it was set up before. */
  readonly check: boolean;
  /** Takes each line of progress. */
  readonly log: (line: string) => void;
  readonly env?: Environment;
  /** The root of `@tensorflow/tfjs-node-gpu`; by default where npm put it. */
  readonly packageRoot?: string;
}

/**
 * Gives `@tensorflow/tfjs-node-gpu` the pinned TensorFlow. What is there already is kept: a second call does nothing,
 * and one after `npm ci`, which deletes the link, only links and checks again.
 * @throws ConfigError that says what is missing on this machine and what to install.
 */
export async function setUpTensorFlow(options: SetUpOptions): Promise<void> {
  const { check, log, env = process.env, packageRoot = installedPackageRoot() } = options;
  const build = await chooseBuild(env);
  const sources = await readBindingSources(packageRoot);
  const library = libraryDirectory(cacheRoot(env), build, sources);
  await installLibrary(library, build, sources, env, log);
  if (!isLinked(packageRoot, library)) {
    linkBinding(packageRoot, library);
    log(await checkOrUnlink(build, packageRoot, env));
  } else if (check) {
    log(await checkTensorFlow(build, packageRoot, env));
  }
}

/** A link stands for a library that was loaded once, so that later calls need not load it. */
async function checkOrUnlink(build: Build, packageRoot: string, env: Environment): Promise<string> {
  try {
    return await checkTensorFlow(build, packageRoot, env);
  } catch (error) {
    unlinkBinding(packageRoot);
    throw error;
  }
}
