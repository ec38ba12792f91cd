import { RunError } from '../../lib/errors.js';
import { reasonOf, runCommand, type Environment } from './command.js';

/** Extracts the files that match, with their permissions, which `ZipFile.extract` drops. */
const extractScript = `
import fnmatch, os, sys, zipfile
wheel, directory, *patterns = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for entry in archive.infolist():
        if any(fnmatch.fnmatchcase(entry.filename, pattern) for pattern in patterns):
            path = archive.extract(entry, directory)
            os.chmod(path, entry.external_attr >> 16 & 0o777 | 0o644)
`;

/** Unpacks what is needed of a wheel (patterns as in {@link Wheel.keep}) into `directory`. */
export async function unpackWheel(
  path: string,
  keep: readonly string[],
  directory: string,
  python: string,
  env: Environment,
): Promise<void> {
  const finished = await runCommand(python, ['-c', extractScript, path, directory, ...keep], env);
  if (finished.exitCode === 0) return;
  throw new RunError(`cannot unpack ${path}: ${reasonOf(finished)}`);
}
