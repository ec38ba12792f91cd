import { isDeepStrictEqual } from 'node:util';
import type { RunConfig, StageConfig } from '../../lib/config/types.js';
import { ConfigError } from '../../lib/errors.js';
import type { MethodConfig, ScoreScale } from '../../lib/methods/config.js';
import { needsOf } from '../../lib/methods/needs.js';
import { gradeOf } from '../../lib/methods/score-scale.js';
import { resolveWeights } from '../../lib/methods/weights.js';
import { loadExamples, loadPairs, type DataReport } from '../data/load.js';
import { rowUseOf } from '../data/row-use.js';
import { TextTokenizer } from '../data/tokenizer.js';
import { pairMismatched } from '../plan/pairing.js';
import { Planner } from '../plan/plan.js';
import { unitOf, unitOfPair, type Unit } from '../plan/unit.js';
import type { StageFacts } from '../diagnosis/observation.js';
import { notify, type ActiveRun } from './active-run.js';
import { dataNotices } from './data-notices.js';
import { stageModelDirectory } from './output-directory.js';

/** A stage with its data read, paired and planned. */
export interface PreparedStage {
  /** From 1. */
  readonly number: number;
  readonly count: number;
  /** With the model that it starts from, and class weights as numbers. */
  readonly config: StageConfig & { readonly model: string };
  readonly examples: readonly Unit[];
  /** By example: the example whose completion it takes for the KL estimate, or null. */
  readonly pairs: readonly (number | null)[];
  readonly planner: Planner;
  /** For the diagnosis. */
  readonly facts: StageFacts;
  /** Hugging Face directory with the tokenizer, there before any stage has been trained. */
  readonly tokenizerDir: string;
  /** Where the result goes. */
  readonly outputDir: string;
}

/**
 * Prepares all stages before any worker starts: bad data of the last stage is an error now, not after hours of
 * training. A stage that goes on from the one before has that one's tokenizer.
 */
export async function prepareStages(run: ActiveRun, config: RunConfig): Promise<PreparedStage[]> {
  const prepared: PreparedStage[] = [];
  // Where the run goes on, its data was told of when it began.
  const isNew = run.journal.stages(run.record.id).length === 0;
  for (const [index, stage] of config.stages.entries()) {
    const start = startOf(stage, index + 1, prepared.at(-1));
    const tokenizer = TextTokenizer.load(start.tokenizerDir);
    const place = { number: index + 1, count: config.stages.length };
    const data = await loadStageData(run, stage, tokenizer);
    run.signal.throwIfAborted();
    const [desirable, undesirable] = classSizes(data, stage.objective);
    const objective = resolveWeights(stage.objective, desirable, undesirable);
    const resolved = { ...stage, ...start.from, objective };
    if (isNew) {
      const notices = dataNotices(data.report, resolved, place.number);
      for (const { text, warning } of notices) notify(run, text, { warning });
      notifyOfAutoWeights(run, stage.objective, objective, place.number);
    }
    const { method } = objective;
    prepared.push({
      ...place,
      ...planData(data.examples, resolved),
      config: resolved,
      facts: factsOf(data.report, resolved, objective, { desirable, undesirable }),
      tokenizerDir: start.tokenizerDir,
      outputDir: stageModelDirectory(run.record.outputDir, { ...place, method }),
    });
  }
  return prepared;
}

function factsOf(
  { used, promptsCut, completionsCut }: DataReport,
  { maxLength, maxPromptLength }: StageConfig,
  objective: MethodConfig<number>,
  classes: Pick<StageFacts, 'desirable' | 'undesirable'>,
): StageFacts {
  return { objective, maxLength, maxPromptLength, rows: used, ...classes, promptsCut, completionsCut };
}

interface StageStart {
  readonly from: {
    readonly model: string;
    readonly adapter: string | null;
    readonly lora: StageConfig['lora'];
  };
  readonly tokenizerDir: string;
}

/**
 * What a stage trains: what it names, or else what the stage before wrote. An adapter that was written is trained on, also
 * where the same `lora` holds for both stages.
 */
function startOf(stage: StageConfig, number: number, previous: PreparedStage | undefined): StageStart {
  const { model, adapter, lora } = stage;
  if (model !== null) return { from: { model, adapter, lora }, tokenizerDir: model };
  if (previous === undefined) {
    throw new ConfigError(
      'stages[0]: model is missing: the first stage needs a model directory to start from',
    );
  }
  const { config, outputDir, tokenizerDir } = previous;
  if (config.lora === null && config.adapter === null) {
    return { from: { model: outputDir, adapter, lora }, tokenizerDir };
  }
  if (adapter !== null || (lora !== null && !isDeepStrictEqual(lora, config.lora))) {
    throw new ConfigError(
      `stage ${number}: the stage before writes an adapter, which this one goes on training: ` +
        'remove its own adapter or lora, or give it a model',
    );
  }
  return { from: { model: config.model, adapter: outputDir, lora: null }, tokenizerDir };
}

interface StageData {
  readonly examples: readonly Unit[];
  readonly report: DataReport;
}

async function loadStageData(
  run: ActiveRun,
  { objective, maxLength, maxPromptLength, data }: StageConfig,
  tokenizer: TextTokenizer,
): Promise<StageData> {
  const limits = { maxLength, maxPromptLength, skipBadRows: run.record.skipBadRows };
  if (needsOf(objective).rows === 'paired') {
    const { examples, report } = await loadPairs(data.train, tokenizer, limits);
    return { examples: examples.map(unitOfPair), report };
  }
  const options = { ...limits, rows: rowUseOf(objective) };
  const { examples, report } = await loadExamples(data.train, tokenizer, options);
  const units = examples.map(unitOf);
  if (objective.method === 'kto' && objective.scoreScale !== null) {
    requireOnScale(units, objective.scoreScale, data.train);
  }
  return { examples: units, report };
}

function requireOnScale(units: readonly Unit[], { min, max }: ScoreScale, file: string): void {
  const stray = units.find(({ score }) => score === null || score < min || score > max);
  if (stray === undefined) return;
  throw new ConfigError(
    `${file}: row ${stray.row + 1}: score ${stray.score ?? 'none'} lies outside of score_scale, ${min} to ${max}; ` +
      'change the one or the other',
  );
}

/** What `auto` class weights balance: rows by label, or the sums of grades on both sides of neutral. */
function classSizes({ examples, report }: StageData, objective: MethodConfig): [number, number] {
  if (objective.method !== 'kto' || objective.scoreScale === null)
    return [report.desirable, report.undesirable];
  const scale = objective.scoreScale;
  const grades = examples.map(({ score }) => gradeOf(score ?? scale.neutral, scale));
  const sum = (side: 1 | -1) => grades.reduce((total, grade) => total + Math.max(0, side * grade), 0);
  return [sum(1), sum(-1)];
}

/** Says what `auto` has become. */
function notifyOfAutoWeights(
  run: ActiveRun,
  asked: MethodConfig,
  resolved: MethodConfig<number>,
  number: number,
): void {
  if (!('desirableWeight' in asked && 'desirableWeight' in resolved)) return;
  const prefix = `stage ${number} (${asked.method})`;
  if (asked.desirableWeight === 'auto') {
    notify(run, `${prefix}: desirable_weight auto is ${resolved.desirableWeight}`);
  }
  if (asked.undesirableWeight === 'auto') {
    notify(run, `${prefix}: undesirable_weight auto is ${resolved.undesirableWeight}`);
  }
}

function planData(examples: readonly Unit[], stage: StageConfig) {
  const pairs = needsOf(stage.objective).mismatchedPairs
    ? pairMismatched(examples, stage.globalBatchSize)
    : examples.map(() => null);
  return { examples, pairs, planner: new Planner(examples, pairs, stage) };
}
