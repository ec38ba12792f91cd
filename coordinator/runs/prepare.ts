import type { RunConfig, StageConfig } from '../../lib/config/types.js';
import type { MethodConfig } from '../../lib/methods/config.js';
import { resolveWeights } from '../../lib/methods/weights.js';
import type { DataReport } from '../data/load.js';
import { TextTokenizer } from '../data/tokenizer.js';
import type { StageFacts } from '../diagnosis/observation.js';
import type { Planner } from '../plan/plan.js';
import { loadHeldOut, type HeldOutRows } from '../plan/held-out.js';
import { classSizes, loadStageRows, planStage, type PairedRows } from '../plan/stage-rows.js';
import { startOf } from '../plan/stage-start.js';
import { notify, type ActiveRun } from './active-run.js';
import { dataNotices } from './data-notices.js';
import { stageModelDirectory } from './output-directory.js';
import { samplesOf, type StageSamples } from './stage-samples.js';

/** A stage with its data read, paired and planned. */
export interface PreparedStage extends PairedRows {
  /** From 1. */
  readonly number: number;
  readonly count: number;
  /** With the model that it starts from, and class weights as numbers. */
  readonly config: StageConfig & { readonly model: string };
  readonly planner: Planner;
  /** Null where there are none. */
  readonly heldOut: HeldOutRows | null;
  /** Null where none are wanted. */
  readonly samples: StageSamples | null;
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
    const reading = { skipBadRows: run.record.skipBadRows, signal: run.signal };
    const data = await loadStageRows(stage.data.train, stage, tokenizer, reading);
    const heldOut = await loadHeldOut(stage, tokenizer, reading);
    const [desirable, undesirable] = classSizes(data, stage.objective);
    const objective = resolveWeights(stage.objective, desirable, undesirable);
    const resolved = { ...stage, ...start.from, objective };
    if (isNew) {
      const notices = dataNotices(data.report, resolved, place.number);
      if (heldOut !== null) notices.push(...dataNotices(heldOut.report, resolved, place.number, 'eval'));
      for (const { text, warning } of notices) notify(run, text, { warning });
      notifyOfAutoWeights(run, stage.objective, objective, place.number);
    }
    const { method } = objective;
    prepared.push({
      ...place,
      ...planStage(data.examples, resolved),
      heldOut,
      samples: samplesOf(stage, (heldOut ?? data).examples, tokenizer),
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
    notify(run, `${prefix}: desirable_weight auto is ${shown(resolved.desirableWeight)}`);
  }
  if (asked.undesirableWeight === 'auto') {
    notify(run, `${prefix}: undesirable_weight auto is ${shown(resolved.undesirableWeight)}`);
  }
}

/** The weight itself has all its digits. */
const shown = (weight: number) => Number(weight.toPrecision(4));
