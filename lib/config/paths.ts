import type { RunConfig, StageConfig } from './types.js';

/** A path that a run file names. */
export interface RunPath {
  /** As `--set` would write it: `data.train`, or `stages.1.data.train` where there are several stages. */
  readonly key: string;
  readonly kind: 'file' | 'directory';
  /** Absolute, or a source (source.ts). */
  readonly path: string;
}

/** All paths that a run reads. One that several stages name comes several times. */
export function runPaths(run: RunConfig): readonly RunPath[] {
  const found: RunPath[] = [];
  mapRunPaths(run, (each) => {
    found.push(each);
    return each.path;
  });
  return found;
}

/** The same run with other paths. */
export function mapRunPaths(run: RunConfig, map: (path: RunPath) => string): RunConfig {
  const [first, ...rest] = run.stages.map((stage, index) =>
    mapStagePaths(stage, run.stages.length === 1 ? '' : `stages.${index}.`, map),
  );
  return { ...run, stages: [first!, ...rest] };
}

function mapStagePaths(stage: StageConfig, prefix: string, map: (path: RunPath) => string): StageConfig {
  const mapped = (kind: RunPath['kind'], key: string, path: string) => map({ key: prefix + key, kind, path });
  const optional = (kind: RunPath['kind'], key: string, path: string | null) =>
    path === null ? null : mapped(kind, key, path);
  const { reference } = stage;
  return {
    ...stage,
    model: optional('directory', 'model', stage.model),
    adapter: optional('directory', 'adapter', stage.adapter),
    reference:
      reference === null || reference === 'base'
        ? reference
        : { directory: mapped('directory', 'reference', reference.directory) },
    data: {
      train: mapped('file', 'data.train', stage.data.train),
      eval: optional('file', 'data.eval', stage.data.eval),
    },
  };
}
