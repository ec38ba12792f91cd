import { RECOMMENDED_RATIO, recommendedWeights, weightedRatio } from '../../../lib/methods/weights.js';
import { inspectFile, type Inspection, type Sample } from '../../../coordinator/data/inspect/inspect-file.js';
import type { Quantiles } from '../../../coordinator/data/inspect/quantiles.js';
import type { LengthLimits } from '../../../coordinator/data/length-rule.js';
import { missesTemplate } from '../../../coordinator/data/template-use.js';
import { TextTokenizer } from '../../../coordinator/data/tokenizer.js';
import { ConfigError } from '../../../lib/errors.js';
import type { Style } from '../output/style.js';
import { formatTable } from '../output/table.js';
import type { Terminal } from '../output/terminal.js';
import { reasonLines } from './reasons.js';
import { TEMPLATE_ADVICE } from './template-advice.js';

export interface InspectOptions extends LengthLimits {
  readonly file: string;
  /** Hugging Face directory: its tokenizer and chat template. */
  readonly model: string;
}

/** `prospect data inspect`: what a file holds, as training sees it. */
export async function inspect(options: InspectOptions, { out }: Terminal): Promise<void> {
  const { file, model, maxLength, maxPromptLength } = options;
  if (maxPromptLength >= maxLength) {
    throw new ConfigError(
      `--max-prompt-length ${maxPromptLength} must be less than --max-length ${maxLength}`,
    );
  }
  const tokenizer = TextTokenizer.load(model);
  const inspection = await inspectFile(file, tokenizer, options);
  const sections = [
    rowLines(file, inspection),
    lengthLines(inspection, options),
    [duplicateLine(inspection)],
    weightLines(inspection),
    sampleLines(inspection.sample, tokenizer, out.style),
  ];
  out.line(
    sections
      .filter((lines) => lines.length > 0)
      .map((lines) => lines.join('\n'))
      .join('\n\n'),
  );
}

function rowLines(file: string, { rows, bad, kinds }: Inspection): string[] {
  const counts = Object.entries(kinds).filter(([, count]) => count > 0);
  const table = formatTable({
    header: ['rows', 'count'],
    rows: [...counts, ['bad', bad.total] as const, ['all', rows] as const].map(([kind, count]) => [
      kind,
      String(count),
    ]),
  });
  return [file, ...table, ...reasonLines(bad)];
}

function lengthLines(inspection: Inspection, { maxLength, maxPromptLength }: LengthLimits): string[] {
  const { promptTokens, completionTokens, promptsCut, completionsCut } = inspection;
  return [
    ...formatTable({
      header: ['tokens', 'min', '50 %', '90 %', '99 %', 'max', 'cut'],
      rows: [
        ['prompt', ...quantileCells(promptTokens), String(promptsCut)],
        ['completion', ...quantileCells(completionTokens), String(completionsCut)],
      ],
    }),
    `cut: prompts to their last ${maxPromptLength} tokens, completions to what ${maxLength} leave`,
  ];
}

function quantileCells(quantiles: Quantiles): string[] {
  return [0, 0.5, 0.9, 0.99, 1].map((q) => String(quantiles.at(q)));
}

function duplicateLine({ duplicates }: Inspection): string {
  return (
    `duplicates: ${duplicates.repeated} answers repeat an earlier one; ` +
    `${duplicates.contradictory} different ones are both desirable and undesirable`
  );
}

/** None for a file without labels. */
function weightLines({ kinds: { desirable, undesirable } }: Inspection): string[] {
  if (desirable + undesirable === 0) return [];
  const weights = recommendedWeights(desirable, undesirable);
  if (weights === null) return ['weights: no weights can balance rows of one class'];
  const ratio = weightedRatio(weights, desirable, undesirable).toFixed(2);
  const { low, high } = RECOMMENDED_RATIO;
  return [
    `weights: desirable_weight: ${shown(weights.desirableWeight)}, undesirable_weight: ${shown(weights.undesirableWeight)}`,
    `  (λ_D·n_D / (λ_U·n_U) is ${ratio}; the KTO paper recommends ${low} to ${high.toFixed(2)})`,
  ];
}

/** Rounded up, so that what is typed into a run file stays in the interval. */
const shown = (weight: number) => Math.ceil(weight * 100 - 1e-9) / 100;

/** The tokens that are trained are green; where there are no colours, they stand between brackets. */
function sampleLines(sample: Sample | null, tokenizer: TextTokenizer, style: Style): string[] {
  if (sample === null) return [];
  const decode = (ids: Int32Array) => tokenizer.decode(ids, { skipSpecialTokens: false });
  const painted = style.green(decode(sample.completionIds));
  const coloured = painted !== decode(sample.completionIds);
  const [mark, completion] = coloured
    ? ['the trained tokens are green', painted]
    : ['the trained tokens stand between ⟦ and ⟧', `⟦${painted}⟧`];
  const missesIt = sample.isText && missesTemplate(sample.promptIds, tokenizer);
  const advice = missesIt ? ['', style.yellow(TEMPLATE_ADVICE)] : [];
  return [`sample: ${sample.where}; ${mark}`, decode(sample.promptIds) + completion, ...advice];
}
