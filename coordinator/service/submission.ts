import { isAbsolute, join, resolve } from 'node:path';
import { mapRunPaths, runPaths, type RunPath } from '../../lib/config/paths.js';
import { isSource } from '../../lib/config/source.js';
import type { RunConfig } from '../../lib/config/types.js';
import { ConfigError } from '../../lib/errors.js';
import { quote } from '../../lib/text.js';
import type { v1 } from '../../proto/services.js';
import { readRunFile } from '../runs/run-file.js';
import { requireSubmittedPath, type SubmittedPath } from '../uploads/submitted-path.js';
import type { UploadTrees } from '../uploads/upload-trees.js';
import { requirePermitted, type PathPolicy } from './path-policy.js';

/** What decides where the files of a run are. */
export interface RunPlaces {
  readonly paths: PathPolicy;
  readonly trees: UploadTrees;
  /** Where runs go whose submitter names no place. */
  readonly runsDir: string;
}

/** A run as it is asked for, with sources, and with paths of this machine alone. */
export interface Submission {
  readonly name: string;
  readonly config: RunConfig;
  /** Absolute. */
  readonly outputDir: string;
  /** What the store must keep for it. */
  readonly uploads: readonly SubmittedPath[];
}

/**
 * Reads a request for a run, and changes nothing.
 * @throws ConfigError where something is wrong with it, or a path leads where none may; RunError for a file that was not
 *   uploaded.
 */
export async function readSubmission(
  request: v1.SubmitRunRequest,
  runId: string,
  { paths, trees, runsDir }: RunPlaces,
): Promise<Submission> {
  const outputDir = requireOutputDir(request.outputDir || join(runsDir, runId));
  const asked = readRunFile(request.runYaml, outputDir);
  const uploads = request.uploads.map(requireSubmittedPath);
  const uploadOf = matchUploads(runPaths(asked), uploads);
  for (const upload of uploads) await trees.requireHeld(upload);
  for (const each of runPaths(asked)) {
    if (!uploadOf(each) && !isSource(each.path))
      await requirePermitted(each, paths, 'upload it, as `prospect submit` does');
  }
  if (request.outputDir) {
    await requirePermitted({ key: 'output_dir', path: outputDir }, paths, 'leave it out, and one is chosen');
  }
  const config = mapRunPaths(asked, (each) => {
    const upload = uploadOf(each);
    return upload === undefined ? each.path : trees.placeOf(upload);
  });
  return { name: requireName(request.name) || runId, config, outputDir, uploads };
}

/** @throws ConfigError where an upload stands for no path of the run, or for one of the other kind */
function matchUploads(
  paths: readonly RunPath[],
  uploads: readonly SubmittedPath[],
): (path: RunPath) => SubmittedPath | undefined {
  const byPath = new Map(uploads.map((upload) => [upload.path, upload]));
  if (byPath.size < uploads.length) throw new ConfigError('a path was uploaded twice: name each once');
  const unused = new Set(byPath.keys());
  for (const { key, kind, path } of paths) {
    const upload = byPath.get(path);
    if (upload !== undefined && upload.kind !== kind)
      throw new ConfigError(`${key}: ${quote(path)} must be a ${kind}, and was uploaded as a ${upload.kind}`);
    unused.delete(path);
  }
  for (const path of unused)
    throw new ConfigError(`${quote(path)} was uploaded, and the run file does not name it`);
  return ({ path }) => byPath.get(path);
}

function requireOutputDir(path: string): string {
  if (isAbsolute(path) && !path.includes('\0')) return resolve(path);
  throw new ConfigError(`output_dir must be an absolute path: ${quote(path)}`);
}

const MAX_NAME_CHARACTERS = 100;

function requireName(name: string): string {
  if (name.length <= MAX_NAME_CHARACTERS && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(name)) return name;
  throw new ConfigError(
    `a run's name has at most ${MAX_NAME_CHARACTERS} characters in one line, which ${quote(name)} has not`,
  );
}
