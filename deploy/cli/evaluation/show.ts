import { join } from 'node:path';
import { writeFileAtomically } from '../atomic-file.js';
import { formatTable } from '../output/table.js';
import type { Output } from '../output/terminal.js';
import { evaluationsOf } from './evaluations.js';
import { evaluationTable, isOwnReference } from './table.js';

/** Prints what a stage has changed for its held-out rows, and writes it to `eval.json`; nothing where it has none. */
export async function showEvaluation(outputDir: string, stage: number, out: Output): Promise<void> {
  const evaluations = await evaluationsOf(outputDir, stage);
  if (evaluations === null) return;
  await writeFileAtomically(join(outputDir, 'eval.json'), `${JSON.stringify(evaluations, null, 2)}\n`);
  out.line('');
  for (const line of formatTable(evaluationTable(evaluations))) out.line(line);
  if (isOwnReference(evaluations.before)) {
    out.line(
      out.style.dim(
        'Before, the model is its own reference: all rewards are 0, and no side is the better one.',
      ),
    );
  }
  out.line('');
}
