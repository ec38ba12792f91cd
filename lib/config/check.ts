import { DEFAULTS, sizesOf } from './resolve.js';
import type { RunDocument } from './run-document.js';
import type { StageKeys } from './schema.js';
import { KTO_KEYS, type MergedStage } from './stages.js';
import type { Validated } from './validate.js';
import type { Path } from './yaml.js';

/** Reports keys that are missing, that do not go together, or that nothing would read. */
export function checkStages(
  document: RunDocument,
  { runFile, sound }: Validated,
  stages: readonly MergedStage[],
): void {
  for (const stage of stages) {
    checkGiven(document, sound, stage);
    checkSizes(document, sound, stage);
    checkWeights(document, sound, stage);
  }
  checkDuration(document, [], runFile);
  runFile.stages?.forEach((own, index) => checkDuration(document, ['stages', index], own));
  if (sound('method')) checkKtoKeys(document, runFile, stages);
}

type Sound = Validated['sound'];

/** `key: null` is as good as no key. */
function isGiven<T>(value: T | null | undefined): value is T {
  return value !== undefined && value !== null;
}

function checkGiven(document: RunDocument, sound: Sound, { index, keys, at }: MergedStage): void {
  if (keys.method === undefined && sound('method')) {
    document.report(at('method'), 'method is missing; write "method: kto" or "method: sft"');
  }
  if (index === 0 && keys.model === undefined && sound('model')) {
    document.report(at('model'), 'model is missing; write the Hugging Face directory to start from');
  }
  if (keys.data?.train === undefined && sound('data', 'train')) {
    document.report(at('data'), 'data.train is missing; write the JSONL file to train on');
  }
}

function checkSizes(document: RunDocument, sound: Sound, stage: MergedStage): void {
  const { keys, at } = stage;
  const { globalBatchSize, microBatchSize, maxLength, maxPromptLength } = sizesOf(stage);
  if (microBatchSize > globalBatchSize && sound('micro_batch_size', 'global_batch_size')) {
    const message = `must be at most global_batch_size (${globalBatchSize}), not ${microBatchSize}`;
    document.report(at('micro_batch_size'), message);
  }
  if (keys.method === 'kto' && globalBatchSize < 2 && sound('global_batch_size')) {
    const message =
      'must be at least 2 for kto, whose mismatched completions come from the same batch; not 1';
    document.report(at('global_batch_size'), message);
  }
  if (maxPromptLength >= maxLength && sound('max_prompt_length', 'max_length')) {
    const message = `must be less than max_length (${maxLength}), not ${maxPromptLength}`;
    document.report(at('max_prompt_length'), message);
  }
  const { warmup_steps: warmupSteps = DEFAULTS.warmupSteps, max_steps: maxSteps } = keys;
  if (isGiven(maxSteps) && warmupSteps >= maxSteps && sound('warmup_steps', 'max_steps')) {
    document.report(at('warmup_steps'), `must be less than max_steps (${maxSteps}), not ${warmupSteps}`);
  }
}

function checkWeights(document: RunDocument, sound: Sound, { keys, at }: MergedStage): void {
  const isNothingWeighted = keys.desirable_weight === 0 && keys.undesirable_weight === 0;
  if (isNothingWeighted && sound('desirable_weight', 'undesirable_weight')) {
    document.report(
      at('desirable_weight'),
      'is 0, and so is undesirable_weight: no example would count; raise one',
    );
  }
}

function checkDuration(document: RunDocument, path: Path, { max_steps: maxSteps, epochs }: StageKeys): void {
  if (isGiven(maxSteps) && epochs !== undefined) {
    document.report(
      [...path, 'epochs'],
      'stands beside max_steps, which says how long to train too; remove one of them',
    );
  }
}

function checkKtoKeys(
  document: RunDocument,
  runFile: Validated['runFile'],
  stages: readonly MergedStage[],
): void {
  const isKto = ({ keys }: MergedStage) => keys.method !== 'sft';
  for (const key of KTO_KEYS) {
    if (isGiven(runFile[key]) && !stages.some(isKto)) {
      document.report([key], 'only method kto reads it, and no stage uses that; remove it');
    }
    for (const stage of stages) {
      if (isGiven(runFile.stages?.[stage.index]?.[key]) && !isKto(stage)) {
        document.report(
          ['stages', stage.index, key],
          'only method kto reads it, and this stage uses sft; remove it',
        );
      }
    }
  }
}
