import { ConfigError } from '../../lib/errors.js';
import { notFound, runCommand, type Environment } from './command.js';

/** The programs that set-up calls: Python to fetch and open wheels, g++ to compile the binding. */
export interface Tools {
  readonly python: string;
  readonly compiler: string;
}

/** @throws ConfigError that names the first missing tool and what to install. */
export async function findTools(env: Environment): Promise<Tools> {
  return { python: await findPython(env), compiler: await findCompiler(env) };
}

async function findPython(env: Environment): Promise<string> {
  const candidates = env['PROSPECT_PYTHON'] ? [env['PROSPECT_PYTHON']] : ['python3', 'python'];
  let pythonWithoutPip: string | undefined;
  for (const python of candidates) {
    const pip = await runCommand(python, ['-m', 'pip', '--version'], env);
    if (pip.exitCode === 0) return python;
    if (pip.exitCode !== notFound) pythonWithoutPip ??= python;
  }
  throw new ConfigError(
    pythonWithoutPip
      ? `TensorFlow's set-up needs pip, but '${pythonWithoutPip} -m pip' fails; ` +
          `install it (for example: apt-get install python3-pip)`
      : `TensorFlow's set-up needs Python 3 with pip, but there is no ${candidates.join(' or ')}; ` +
          `install it (for example: apt-get install python3 python3-pip) or name it in PROSPECT_PYTHON`,
  );
}

async function findCompiler(env: Environment): Promise<string> {
  const compiler = 'g++';
  if ((await runCommand(compiler, ['--version'], env)).exitCode === 0) return compiler;
  throw new ConfigError(
    `TensorFlow's set-up needs ${compiler} to compile its binding, but there is none; ` +
      `install it (for example: apt-get install g++)`,
  );
}
