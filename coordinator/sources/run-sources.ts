import { mapRunPaths, runPaths, type RunPath } from '../../lib/config/paths.js';
import { parseSource, renderSource, type Source } from '../../lib/config/source.js';
import type { RunConfig } from '../../lib/config/types.js';
import { ConfigError, RunError } from '../../lib/errors.js';
import type { SourceKind } from './remote.js';
import type { FetchOptions, SourceStore } from './source-store.js';

/** A source that a run names. */
export interface RunSource {
  /** As the run file says it. */
  readonly text: string;
  readonly key: string;
  readonly kind: SourceKind;
  readonly source: Source;
}

/** The sources of a run, each once, whichever stages name it. */
export function runSources(run: RunConfig): readonly RunSource[] {
  const found = new Map<string, RunSource>();
  for (const path of runPaths(run)) {
    const source = parseSource(path.path);
    if (source === null || found.has(idOf(path))) continue;
    found.set(idOf(path), { text: path.path, key: path.key, kind: path.kind, source });
  }
  return [...found.values()];
}

/** One that stands for a file and for a directory is two. */
const idOf = ({ kind, path }: RunPath) => `${kind} ${path}`;

/** The same run with sources that mean the same files for ever. @throws ConfigError or RunError that names the key */
export async function pinSources(
  run: RunConfig,
  store: SourceStore,
  signal: AbortSignal,
): Promise<RunConfig> {
  return mapSources(run, async ({ source, kind }) => renderSource(await store.pin(source, kind, signal)));
}

/** The same run with paths of this machine alone. @throws ConfigError or RunError that names the key */
export async function fetchSources(
  run: RunConfig,
  store: SourceStore,
  options: (source: RunSource) => FetchOptions,
): Promise<RunConfig> {
  return mapSources(run, (each) => store.fetch(each.source, each.kind, options(each)));
}

async function mapSources(run: RunConfig, map: (source: RunSource) => Promise<string>): Promise<RunConfig> {
  const mapped = new Map<string, string>();
  for (const each of runSources(run)) {
    mapped.set(
      idOf({ ...each, path: each.text }),
      await map(each).catch((error: unknown) => fail(each, error)),
    );
  }
  return mapRunPaths(run, (path) => mapped.get(idOf(path)) ?? path.path);
}

/** Says which key of the run file it is about. */
function fail({ key }: RunSource, error: unknown): never {
  if (error instanceof ConfigError) throw new ConfigError(`${key}: ${error.message}`);
  if (error instanceof RunError) throw new RunError(`${key}: ${error.message}`);
  throw error;
}
