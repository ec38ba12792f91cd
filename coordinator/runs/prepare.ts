import type { RunConfig, StageConfig } from '../../lib/config/types.js';
import { ConfigError } from '../../lib/errors.js';
import type { Example } from '../data/example.js';
import { loadExamples } from '../data/load.js';
import { TextTokenizer } from '../data/tokenizer.js';
import { pairMismatched } from '../plan/pairing.js';
import { Planner } from '../plan/plan.js';
import { notify, type ActiveRun } from './active-run.js';
import { dataNotices } from './data-notices.js';
import { needsOf } from '../../lib/methods/needs.js';
import { stageModelDirectory } from './output-directory.js';

/** A stage with its data read, paired and planned. */
export interface PreparedStage {
  /** From 1. */
  readonly number: number;
  readonly count: number;
  readonly config: StageConfig;
  readonly examples: readonly Example[];
  /** By example: the example whose completion it takes for the KL estimate, or null. */
  readonly pairs: readonly (number | null)[];
  readonly planner: Planner;
  /** Hugging Face directories: what training starts from, what stays frozen, where the result goes. */
  readonly modelDir: string;
  readonly referenceDir: string;
  readonly outputDir: string;
}

/**
 * Prepares all stages before any worker starts: bad data of the last stage is an error now, not after hours of
 * training. A stage that goes on from the one before has that one's tokenizer.
 */
export async function prepareStages(run: ActiveRun, config: RunConfig): Promise<PreparedStage[]> {
  const prepared: PreparedStage[] = [];
  let tokenizer: TextTokenizer | undefined;
  for (const [index, stage] of config.stages.entries()) {
    if (stage.model !== null) tokenizer = TextTokenizer.load(stage.model);
    const modelDir = stage.model ?? prepared.at(-1)?.outputDir;
    if (tokenizer === undefined || modelDir === undefined) {
      throw new ConfigError(
        'stages[0]: model is missing: the first stage needs a model directory to start from',
      );
    }
    const place = { number: index + 1, count: config.stages.length };
    const data = await prepareData(run, stage, tokenizer, place.number);
    run.signal.throwIfAborted();
    prepared.push({
      ...place,
      ...data,
      config: stage,
      modelDir,
      referenceDir:
        stage.reference === null || stage.reference === 'base' ? modelDir : stage.reference.directory,
      outputDir: stageModelDirectory(run.record.outputDir, { ...place, method: stage.objective.method }),
    });
  }
  return prepared;
}

async function prepareData(run: ActiveRun, stage: StageConfig, tokenizer: TextTokenizer, number: number) {
  const { objective, maxLength, maxPromptLength } = stage;
  const options = {
    method: objective.method,
    maxLength,
    maxPromptLength,
    skipBadRows: run.record.skipBadRows,
  };
  const { examples, report } = await loadExamples(stage.data.train, tokenizer, options);
  const pairs = needsOf(objective).mismatchedPairs
    ? pairMismatched(examples, stage.globalBatchSize)
    : examples.map(() => null);
  for (const { text, warning } of dataNotices(report, stage, number)) notify(run, text, { warning });
  return { examples, pairs, planner: new Planner(examples, pairs, stage) };
}
