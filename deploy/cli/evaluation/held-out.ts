import { join } from 'node:path';
import { loadExamples } from '../../../coordinator/data/load.js';
import { rowUseOf } from '../../../coordinator/data/row-use.js';
import { TextTokenizer } from '../../../coordinator/data/tokenizer.js';
import { stageModelDirectory } from '../../../coordinator/runs/output-directory.js';
import type { RunConfig, StageConfig } from '../../../lib/config/types.js';
import { writeFileAtomically } from '../atomic-file.js';
import { withInference } from '../inference/session.js';
import { formatTable } from '../output/table.js';
import type { Terminal } from '../output/terminal.js';
import { evaluate, type EvaluatedModels } from './evaluate.js';
import { evaluationTable } from './report.js';

export interface FinishedRun {
  readonly config: RunConfig;
  /** Absolute. */
  readonly outputDir: string;
  readonly skipBadRows: boolean;
}

/** Judges the last stage by its held-out rows, if it names any: prints a table and writes `eval.json`. */
export async function evaluateHeldOut(run: FinishedRun, { out, err }: Terminal): Promise<void> {
  const stage = run.config.stages.at(-1)!;
  const file = stage.data.eval;
  if (file === null) return;
  err.line(`evaluating the held-out rows of ${file}`);
  const models = lastStageModels(run);
  const { objective, maxLength, maxPromptLength } = stage;
  const loading = { rows: rowUseOf(objective), maxLength, maxPromptLength, skipBadRows: run.skipBadRows };
  const { examples } = await loadExamples(file, TextTokenizer.load(models.after), loading);
  const evaluation = await withInference((inference) =>
    evaluate(examples, models, stage, (modelDir, sequences) => inference('score', { modelDir, sequences })),
  );
  await writeFileAtomically(join(run.outputDir, 'eval.json'), `${JSON.stringify(evaluation, null, 2)}\n`);
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
export function lastStageModels({ config, outputDir }: Omit<FinishedRun, 'skipBadRows'>): EvaluatedModels {
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
