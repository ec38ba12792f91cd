import { totalBytes, type ProcessMemory } from '../../../worker/estimate/memory.js';
import { formatBytes } from '../output/numbers.js';
import type { Style } from '../output/style.js';
import { formatTable } from '../output/table.js';
import type { CheckReport, Lengths, StageReport } from './report.js';

/** The report for people, without its problems. */
export function renderReport(report: CheckReport, style: Style): string {
  return report.stages.map((stage) => renderStage(stage, report, style)).join('\n\n');
}

function renderStage(
  stage: StageReport,
  { workers, stages, threadsPerWorker }: CheckReport,
  style: Style,
): string {
  const { method, steps, stepsPerEpoch, epochs, microBatchesPerStep, longestSequence, rows } = stage;
  const title = stages.length === 1 ? method : `${method}, stage ${stage.stage}`;
  const parameters = stage.parameters.toLocaleString('en-US');
  const trained =
    stage.trainedParameters === stage.parameters
      ? ''
      : `; of an adapter, ${stage.trainedParameters.toLocaleString('en-US')} are trained`;
  const { sentBytes, receivedBytes } = stage.trafficPerStep;
  const wire =
    workers === 1
      ? ''
      : `; each sends up to ${formatBytes(sentBytes)} and receives ${formatBytes(receivedBytes)} a step`;
  return [
    style.bold(title),
    `model: ${stage.model} (${stage.architecture}, ${parameters} parameters${trained})`,
    `rows: ${rows.used} of ${rows.read} used from ${rows.file}${classesOf(stage)}`,
    `steps: ${steps} of ${microBatchesPerStep} micro-batches, ${stepsPerEpoch} an epoch; epochs: ${shown(epochs)}`,
    `longest sequence: ${longestSequence} tokens`,
    '',
    ...formatTable({
      header: ['tokens', 'min', '50 %', '90 %', '99 %', 'max', 'cut'],
      rows: [lengthRow('prompt', stage.promptTokens), lengthRow('completion', stage.completionTokens)],
    }),
    '',
    ...memoryTable(stage),
    `workers: ${workers}, of ${threadsPerWorker} threads each${wire}`,
    '',
    ...sampleLines(stage, style),
  ].join('\n');
}

function classesOf({ weights, rows }: StageReport): string {
  if (weights === null) return '';
  const ratio = weights.ratio === null ? '' : `, which weigh ${weights.ratio.toFixed(2)} to 1`;
  return `; ${rows.desirable} desirable, ${rows.undesirable} undesirable${ratio}`;
}

function lengthRow(name: string, { min, median, p90, p99, max, cut }: Lengths): string[] {
  return [name, ...[min, median, p90, p99, max, cut].map(String)];
}

const MEMORY_NAMES: Readonly<Record<keyof ProcessMemory, string>> = {
  program: 'programs and libraries',
  weights: 'weights',
  frozenWeights: 'frozen weights',
  gradients: 'gradients',
  optimizer: 'optimizer',
  exchange: 'gradients of other workers',
  checkpoint: 'copy for a checkpoint',
  activations: 'activations',
};

/** What a worker and the reference need, part by part. */
function memoryTable({ workerMemory, referenceMemory }: StageReport): string[] {
  const cells = (bytes: number, ofReference: number | null) =>
    referenceMemory === null ? [formatBytes(bytes)] : [formatBytes(bytes), formatBytes(ofReference ?? 0)];
  const parts = (Object.keys(MEMORY_NAMES) as (keyof ProcessMemory)[]).filter(
    (part) => workerMemory[part] > 0 || (referenceMemory?.[part] ?? 0) > 0,
  );
  return formatTable({
    header: ['memory, about', 'a worker', ...(referenceMemory === null ? [] : ['the reference'])],
    rows: [
      ...parts.map((part) => [
        MEMORY_NAMES[part],
        ...cells(workerMemory[part], referenceMemory?.[part] ?? null),
      ]),
      [
        'together',
        ...cells(totalBytes(workerMemory), referenceMemory === null ? null : totalBytes(referenceMemory)),
      ],
    ],
  });
}

/** The tokens that are trained are green; where there are no colours, they stand between brackets. */
function sampleLines({ sample: { where, prompt, completion } }: StageReport, style: Style): string[] {
  const painted = style.green(completion);
  return painted === completion
    ? [`sample: ${where}; the trained tokens stand between ⟦ and ⟧`, `${prompt}⟦${completion}⟧`]
    : [`sample: ${where}; the trained tokens are green`, `${prompt}${painted}`];
}

const shown = (value: number) => String(Math.round(value * 100) / 100);
