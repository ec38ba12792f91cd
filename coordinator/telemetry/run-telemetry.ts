import type { v1 } from '../../proto/services.js';
import type { MetricsRow } from '../runs/metrics-row.js';
import type { WorkerPace } from '../runs/worker-paces.js';
import { trainingGauges, type RunMetrics } from './run-metrics.js';

const phases = {
  referenceMs: 'reference',
  statisticsMs: 'statistics',
  gradientMs: 'gradient',
  allReduceMs: 'all_reduce',
  updateMs: 'update',
} as const satisfies Partial<Record<keyof v1.StepTimes.$Properties, string>>;

type Phases = [keyof typeof phases, string][];

/**
 * What is measured of one run, with its id as the label `run`. Its series go when it has ended, so that there are never
 * more of them than runs side by side need.
 */
export class RunTelemetry {
  readonly #run: string;
  readonly #metrics: RunMetrics;
  /** All workers that there are series of. */
  readonly #workers = new Set<string>();
  #lastTokens = 0;

  constructor(run: string, metrics: RunMetrics) {
    this.#run = run;
    this.#metrics = metrics;
  }

  /** `tokens`: of the stage's steps that are committed already. */
  stageStarted(tokens: number): void {
    this.#lastTokens = tokens;
    this.#removeTraining();
  }

  /** These workers go on together. */
  formed(generation: number, workers: readonly string[]): void {
    const run = this.#run;
    const { steps, skippedSteps, tokens } = this.#metrics;
    this.#metrics.generation.set({ run }, generation);
    this.#metrics.workers.set({ run }, workers.length);
    // From now on a step is due: a counter that first appears with a value has not grown.
    for (const counter of [steps, skippedSteps, tokens]) counter.inc({ run }, 0);
    this.#removePaces();
  }

  stepCommitted(row: MetricsRow, times: ReadonlyMap<string, v1.StepTimes.$Properties>): void {
    const run = this.#run;
    const { steps, tokens, stepSeconds, phaseSeconds } = this.#metrics;
    steps.inc({ run });
    tokens.inc({ run }, row.num_tokens - this.#lastTokens);
    this.#lastTokens = row.num_tokens;
    stepSeconds.observe({ run }, row.step_time_s);
    for (const [worker, spent] of times) {
      this.#workers.add(worker);
      for (const [field, phase] of Object.entries(phases) as Phases) {
        phaseSeconds.observe({ run, worker, phase }, (spent[field] ?? 0) / 1000);
      }
    }
    this.#setTraining(row);
  }

  stepSkipped(): void {
    this.#metrics.skippedSteps.inc({ run: this.#run });
  }

  observePaces(paces: readonly WorkerPace[], ratios: ReadonlyMap<string, number>): void {
    const run = this.#run;
    const { workerStepSeconds, stragglerRatio } = this.#metrics;
    for (const { workerId: worker, computeMs } of paces) {
      this.#workers.add(worker);
      workerStepSeconds.set({ run, worker }, computeMs / 1000);
    }
    for (const [worker, ratio] of ratios) stragglerRatio.set({ run, worker }, ratio);
  }

  checkpointWritten(durationMs: number): void {
    const run = this.#run;
    this.#metrics.checkpointsAtMs.set(run, performance.now());
    this.#metrics.checkpointSeconds.set({ run }, durationMs / 1000);
  }

  /** Removes all series of the run. */
  ended(): void {
    const run = this.#run;
    const { steps, skippedSteps, tokens, stepSeconds, phaseSeconds } = this.#metrics;
    const { workers, generation, checkpointsAtMs, checkpointAge, checkpointSeconds } = this.#metrics;
    for (const metric of [steps, skippedSteps, tokens, stepSeconds]) metric.remove({ run });
    checkpointsAtMs.delete(run);
    for (const metric of [workers, generation, checkpointAge, checkpointSeconds]) metric.remove({ run });
    for (const worker of this.#workers) {
      for (const phase of Object.values(phases)) phaseSeconds.remove({ run, worker, phase });
    }
    this.#removePaces();
    this.#removeTraining();
  }

  #setTraining(row: MetricsRow): void {
    for (const [key, name, , class_] of trainingGauges) {
      const labels = this.#labelsOf(class_);
      const value = row[key];
      if (value === null) this.#metrics.training.get(name)!.remove(labels);
      else this.#metrics.training.get(name)!.set(labels, value);
    }
  }

  #removeTraining(): void {
    for (const [, name, , class_] of trainingGauges) {
      this.#metrics.training.get(name)!.remove(this.#labelsOf(class_));
    }
  }

  #removePaces(): void {
    const { workerStepSeconds, stragglerRatio } = this.#metrics;
    for (const worker of this.#workers) {
      for (const metric of [workerStepSeconds, stragglerRatio]) metric.remove({ run: this.#run, worker });
    }
  }

  #labelsOf(class_: string | null): { run: string; class?: string } {
    return class_ === null ? { run: this.#run } : { run: this.#run, class: class_ };
  }
}
