import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { v1 } from '../../proto/services.js';
import type { MetricsRow } from '../runs/metrics-row.js';
import { CheckpointMetrics } from './checkpoint-metrics.js';
import { MembershipMetrics } from './membership-metrics.js';
import { runStates, type RunState } from '../runs/state.js';

/** Half a millisecond to a quarter of an hour: a step of a tiny model on a CPU, and one of a large one. */
const secondsBuckets = [0.0005, 0.002, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900];

const phases = {
  referenceMs: 'reference',
  statisticsMs: 'statistics',
  gradientMs: 'gradient',
  allReduceMs: 'all_reduce',
  updateMs: 'update',
} as const satisfies Partial<Record<keyof v1.StepTimes.$Properties, string>>;

/** What the last committed step says, as gauges: the key in metrics.jsonl, the name, what it is, and its class. */
const trainingGauges = [
  ['loss', 'prospect_loss', 'Loss of the global batch', null],
  ['kl', 'prospect_kl_nats', 'Reference point z0, the clamped KL estimate', null],
  ['rewards/chosen', 'prospect_reward', 'Mean reward of a class of the global batch', 'chosen'],
  ['rewards/rejected', 'prospect_reward', 'Mean reward of a class of the global batch', 'rejected'],
  ['logps/chosen', 'prospect_completion_logp_nats', 'Mean completion log-prob of a class', 'chosen'],
  ['logps/rejected', 'prospect_completion_logp_nats', 'Mean completion log-prob of a class', 'rejected'],
  ['grad_norm', 'prospect_grad_norm', 'Global L2 norm of the gradient before clipping', null],
  ['learning_rate', 'prospect_learning_rate', 'Learning rate of the step', null],
] as const satisfies readonly (readonly [keyof MetricsRow, string, string, string | null])[];

/** The coordinator's Prometheus metrics. */
export class Telemetry {
  readonly registry = new Registry();
  readonly membership: MembershipMetrics;
  readonly checkpoints: CheckpointMetrics;
  readonly #steps: Counter;
  readonly #tokens: Counter;
  readonly #stepSeconds: Histogram;
  readonly #phaseSeconds: Histogram<'worker' | 'phase'>;
  readonly #training: ReadonlyMap<string, Gauge<'class'>>;
  readonly #skippedSteps: Counter;
  #lastTokens = 0;

  /** `countRuns` says how many runs are in which state, whenever the metrics are read. */
  constructor(countRuns: () => ReadonlyMap<RunState, number>) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    const runs: Gauge<'state'> = new Gauge({
      name: 'prospect_runs',
      help: 'Runs that the coordinator knows, by state',
      labelNames: ['state'],
      registers,
      collect: () => {
        const counts = countRuns();
        for (const state of runStates) runs.set({ state }, counts.get(state) ?? 0);
      },
    });
    this.#steps = new Counter({
      name: 'prospect_steps_committed_total',
      help: 'Optimizer steps committed to the journal',
      registers,
    });
    this.#tokens = new Counter({
      name: 'prospect_tokens_total',
      help: 'Prompt and completion tokens of committed steps',
      registers,
    });
    this.#stepSeconds = new Histogram({
      name: 'prospect_step_seconds',
      help: 'Time from one committed step to the next',
      buckets: secondsBuckets,
      registers,
    });
    this.#phaseSeconds = new Histogram({
      name: 'prospect_step_phase_seconds',
      help: 'Time that a worker spent in a phase of a step',
      labelNames: ['worker', 'phase'],
      buckets: secondsBuckets,
      registers,
    });
    this.#skippedSteps = new Counter({
      name: 'prospect_skipped_steps_total',
      help: 'Committed steps that changed no weight, because their numbers were not finite',
      registers,
    });
    this.#training = makeTrainingGauges(this.registry);
    this.membership = new MembershipMetrics(this.registry);
    this.checkpoints = new CheckpointMetrics(this.registry);
  }

  /** `tokens`: of the stage's steps that are committed already. */
  stageStarted(tokens: number): void {
    this.#lastTokens = tokens;
    this.#resetTraining();
  }

  stepSkipped(): void {
    this.#skippedSteps.inc();
  }

  stepCommitted(row: MetricsRow, times: ReadonlyMap<string, v1.StepTimes.$Properties>): void {
    this.#steps.inc();
    this.#tokens.inc(row.num_tokens - this.#lastTokens);
    this.#lastTokens = row.num_tokens;
    this.#stepSeconds.observe(row.step_time_s);
    for (const [key, name, , class_] of trainingGauges) {
      const labels = class_ === null ? {} : { class: class_ };
      const value = row[key];
      if (value === null) this.#training.get(name)!.remove(labels);
      else this.#training.get(name)!.set(labels, value);
    }
    for (const [worker, spent] of times) {
      for (const [field, phase] of Object.entries(phases) as [keyof typeof phases, string][]) {
        this.#phaseSeconds.observe({ worker, phase }, (spent[field] ?? 0) / 1000);
      }
    }
  }

  runEnded(): void {
    this.membership.runEnded();
    this.checkpoints.runEnded();
    this.#resetTraining();
  }

  #resetTraining(): void {
    for (const gauge of this.#training.values()) gauge.reset();
  }
}

function makeTrainingGauges(registry: Registry): ReadonlyMap<string, Gauge<'class'>> {
  const gauges = new Map<string, Gauge<'class'>>();
  for (const [, name, help, class_] of trainingGauges) {
    if (gauges.has(name)) continue;
    const labelNames = class_ === null ? [] : (['class'] as const);
    gauges.set(name, new Gauge({ name, help, labelNames, registers: [registry] }));
  }
  return gauges;
}
