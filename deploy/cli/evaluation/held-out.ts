import { join } from 'node:path';
import type { Example } from '../../../coordinator/data/example.js';
import { loadExamples, type DataReport, type LoadOptions } from '../../../coordinator/data/load.js';
import { rowUseOf } from '../../../coordinator/data/row-use.js';
import { TextTokenizer } from '../../../coordinator/data/tokenizer.js';
import { stageModelDirectory } from '../../../coordinator/runs/output-directory.js';
import type { RunConfig, StageConfig } from '../../../lib/config/types.js';
import { writeFileAtomically } from '../atomic-file.js';
import { warnOfRows } from '../data-report.js';
import { withInference } from '../inference/session.js';
import { formatTable } from '../output/table.js';
import type { Terminal } from '../output/terminal.js';
import { evaluate, mismatchedPairs, type EvaluatedModels } from './evaluate.js';
import { evaluationTable } from './report.js';

export interface FinishedRun {
  readonly config: RunConfig;
  /** Absolute. */
  readonly outputDir: string;
}

/** The held-out rows of a run's last stage, tokenized. */
export interface HeldOut {
  readonly file: string;
  readonly examples: readonly Example[];
}

/**
 * Reads the held-out rows of the last stage, and warns of what was skipped and cut; null where it names none. Call it
 * before training: what is wrong with them is then an error now, not after hours.
 * @throws ConfigError
 */
export async function readHeldOut(
  config: RunConfig,
  skipBadRows: boolean,
  { err }: Terminal,
): Promise<HeldOut | null> {
  const heldOut = await loadHeldOut(config, { skipBadRows });
  if (heldOut !== null) warnOfRows(heldOut.file, heldOut.report, config.stages.at(-1)!, err);
  return heldOut;
}

/** The same without a word. @throws ConfigError */
export async function loadHeldOut(
  { stages }: RunConfig,
  reading: Pick<LoadOptions, 'skipBadRows' | 'watcher'>,
): Promise<(HeldOut & { readonly report: DataReport }) | null> {
  const { data, objective, ...stage } = stages.at(-1)!;
  const file = data.eval;
  // A stage that goes on from the one before has that one's tokenizer.
  const model = stages.findLast(({ model }) => model !== null)?.model;
  if (file === null || typeof model !== 'string') return null;
  const limits = { maxLength: stage.maxLength, maxPromptLength: stage.maxPromptLength };
  const loading = { ...limits, rows: rowUseOf(objective), ...reading };
  const { examples, report } = await loadExamples(file, TextTokenizer.load(model), loading);
  if (objective.method === 'kto') mismatchedPairs(examples, stage);
  return { file, examples, report };
}

/** Judges the last stage by held-out rows: prints a table and writes `eval.json`. */
export async function evaluateHeldOut(
  { config, outputDir }: FinishedRun,
  { file, examples }: HeldOut,
  { out, err }: Terminal,
): Promise<void> {
  const stage = config.stages.at(-1)!;
  err.line(`evaluating the held-out rows of ${file}`);
  const models = lastStageModels({ config, outputDir });
  const evaluation = await withInference((inference) =>
    evaluate(examples, models, stage, (modelDir, sequences) => inference('score', { modelDir, sequences })),
  );
  await writeFileAtomically(join(outputDir, 'eval.json'), `${JSON.stringify(evaluation, null, 2)}\n`);
  out.line('');
  for (const line of formatTable(evaluationTable(evaluation))) out.line(line);
  if (evaluation.method === 'kto' && models.before === models.reference) {
    out.line(
      out.style.dim('Before, the model is its own reference: all rewards are 0, on neither side of z0.'),
    );
  }
  out.line('');
}

/** Directories of what the last stage started from, wrote, and was held to. */
export function lastStageModels({ config, outputDir }: FinishedRun): EvaluatedModels {
  const { stages } = config;
  const directoryOf = (index: number) => {
    const { method } = stages[index]!.objective;
    return stageModelDirectory(outputDir, { number: index + 1, count: stages.length, method });
  };
  const last = stages.at(-1)!;
  const before = last.adapter ?? last.model ?? directoryOf(stages.length - 2);
  const { reference } = last;
  return {
    before,
    after: directoryOf(stages.length - 1),
    reference: referenceDir(reference, last.model ?? before, before),
  };
}

function referenceDir(reference: StageConfig['reference'], base: string, before: string): string {
  if (reference === null) return before;
  return reference === 'base' ? base : reference.directory;
}
