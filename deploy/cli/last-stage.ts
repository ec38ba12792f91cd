import { stageModelDirectory } from '../../coordinator/runs/output-directory.js';
import type { RunConfig } from '../../lib/config/types.js';

/** Hugging Face directories. */
export interface StageModels {
  readonly before: string;
  readonly after: string;
}

/** Directories of what a run's last stage starts from and writes. @param outputDir absolute */
export function lastStageModels({ stages }: RunConfig, outputDir: string): StageModels {
  const directoryOf = (index: number) => {
    const { method } = stages[index]!.objective;
    return stageModelDirectory(outputDir, { number: index + 1, count: stages.length, method });
  };
  const { adapter, model } = stages.at(-1)!;
  return {
    before: adapter ?? model ?? directoryOf(stages.length - 2),
    after: directoryOf(stages.length - 1),
  };
}
