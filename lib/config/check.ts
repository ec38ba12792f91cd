import { methodNames, methodsThatNeed } from '../methods/needs.js';
import { checkSettings } from './check-settings.js';
import { methodKeys, readersOf } from './method-keys.js';
import { DEFAULTS, sizesOf } from './resolve.js';
import type { RunDocument } from './run-document.js';
import type { StageKeys } from './schema.js';
import { isGiven, type MergedStage } from './stages.js';
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
    checkAdapter(document, sound, stage);
    checkEvaluation(document, sound, stage);
    checkSettings(document, sound, stage);
  }
  checkWorkers(document, { runFile, sound });
  checkDuration(document, [], runFile);
  runFile.stages?.forEach((own, index) => checkDuration(document, ['stages', index], own));
  if (sound('method')) checkMethodKeys(document, runFile, stages);
}

type Sound = Validated['sound'];

function checkWorkers(document: RunDocument, { runFile, sound }: Validated): void {
  const { workers = DEFAULTS.workers, min_workers: minWorkers = DEFAULTS.minWorkers } = runFile;
  if (minWorkers > workers && sound('min_workers', 'workers')) {
    document.report(['min_workers'], `must be at most workers (${workers}), not ${minWorkers}`);
  }
}

function checkGiven(document: RunDocument, sound: Sound, { index, keys, at }: MergedStage): void {
  if (keys.method === undefined && sound('method')) {
    const message = `method is missing; write "method: kto", or another of ${methodNames.join(', ')}`;
    document.report(at('method'), message);
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
  const { method } = keys;
  const needsMismatched = method !== undefined && methodsThatNeed('mismatchedPairs').includes(method);
  if (needsMismatched && globalBatchSize < 2 && sound('global_batch_size')) {
    const message = `must be at least 2 for ${method}, whose mismatched completions come from the same batch; not 1`;
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

function checkEvaluation(document: RunDocument, sound: Sound, { keys, at }: MergedStage): void {
  const { eval_steps: evalSteps = DEFAULTS.evalSteps, data } = keys;
  if (evalSteps > 0 && !isGiven(data?.eval) && sound('eval_steps') && sound('data', 'eval')) {
    document.report(at('eval_steps'), 'has no rows to judge: data.eval is missing; write it, or remove this');
  }
}

function checkAdapter(document: RunDocument, sound: Sound, { keys, at }: MergedStage): void {
  if (isGiven(keys.adapter) && isGiven(keys.lora) && sound('adapter', 'lora')) {
    document.report(at('adapter'), 'stands beside lora, which trains a fresh adapter; remove one of them');
  }
  if (keys.reference === 'base' && !isGiven(keys.adapter) && sound('adapter')) {
    document.report(
      at('reference'),
      'is base, the model without its adapter, and the stage has no adapter key; ' +
        'remove it, or write ./base for a directory of that name',
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

function checkMethodKeys(
  document: RunDocument,
  runFile: Validated['runFile'],
  stages: readonly MergedStage[],
): void {
  for (const key of methodKeys) {
    const readers = readersOf(key);
    const isReader = ({ keys }: MergedStage) => keys.method === undefined || readers.includes(keys.method);
    const [who, ofThem] =
      readers.length === 1
        ? [`only method ${readers[0]!} reads it`, 'that']
        : [`only methods ${joinWords(readers)} read it`, 'one of them'];
    if (isGiven(runFile[key]) && !stages.some(isReader)) {
      document.report([key], `${who}, and no stage uses ${ofThem}; remove it`);
    }
    for (const stage of stages) {
      if (isGiven(runFile.stages?.[stage.index]?.[key]) && !isReader(stage)) {
        document.report(
          ['stages', stage.index, key],
          `${who}, and this stage uses ${stage.keys.method!}; remove it`,
        );
      }
    }
  }
}

function joinWords(words: readonly string[]): string {
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)!}`;
}
