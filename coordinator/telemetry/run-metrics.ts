import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { MetricsRow } from '../runs/metrics-row.js';

/** Half a millisecond to a quarter of an hour: a step of a tiny model on a CPU, and one of a large one. */
const secondsBuckets = [0.0005, 0.002, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900];

/** What the last committed step says, as gauges: the key in metrics.jsonl, the name, what it is, and its class. */
export const trainingGauges = [
  ['loss', 'prospect_loss', 'Loss of the global batch', null],
  ['kl', 'prospect_kl_nats', 'Reference point z0, the clamped KL estimate', null],
  ['rewards/chosen', 'prospect_reward', 'Mean reward of a class of the global batch', 'chosen'],
  ['rewards/rejected', 'prospect_reward', 'Mean reward of a class of the global batch', 'rejected'],
  ['logps/chosen', 'prospect_completion_logp_nats', 'Mean completion log-prob of a class', 'chosen'],
  ['logps/rejected', 'prospect_completion_logp_nats', 'Mean completion log-prob of a class', 'rejected'],
  ['grad_norm', 'prospect_grad_norm', 'Global L2 norm of the gradient before clipping', null],
  ['learning_rate', 'prospect_learning_rate', 'Learning rate of the step', null],
] as const satisfies readonly (readonly [keyof MetricsRow, string, string, string | null])[];

/** What is measured of every run, with the label `run`. */
export type RunMetrics = ReturnType<typeof makeRunMetrics>;

export function makeRunMetrics(registry: Registry) {
  return {
    ...makeStepMetrics(registry),
    ...makeMembershipMetrics(registry),
    ...makeCheckpointMetrics(registry),
    training: makeTrainingGauges(registry),
  };
}

function makeStepMetrics(registry: Registry) {
  const ofRun = { labelNames: ['run'] as const, registers: [registry] };
  return {
    steps: new Counter({
      name: 'prospect_steps_committed_total',
      help: 'Optimizer steps of a run committed to the journal',
      ...ofRun,
    }),
    skippedSteps: new Counter({
      name: 'prospect_skipped_steps_total',
      help: 'Committed steps that changed no weight, because their numbers were not finite',
      ...ofRun,
    }),
    tokens: new Counter({
      name: 'prospect_tokens_total',
      help: 'Prompt and completion tokens of committed steps',
      ...ofRun,
    }),
    stepSeconds: new Histogram({
      name: 'prospect_step_seconds',
      help: 'Time from one committed step to the next',
      buckets: secondsBuckets,
      ...ofRun,
    }),
    phaseSeconds: new Histogram({
      name: 'prospect_step_phase_seconds',
      help: 'Time that a worker spent in a phase of a step',
      labelNames: ['run', 'worker', 'phase'] as const,
      buckets: secondsBuckets,
      registers: [registry],
    }),
  };
}

function makeMembershipMetrics(registry: Registry) {
  const ofRun = { labelNames: ['run'] as const, registers: [registry] };
  const ofWorker = { labelNames: ['run', 'worker'] as const, registers: [registry] };
  return {
    workers: new Gauge({ name: 'prospect_workers', help: 'Workers that are members of a run', ...ofRun }),
    generation: new Gauge({
      name: 'prospect_generation',
      help: 'Generation of workers of a run',
      ...ofRun,
    }),
    workerStepSeconds: new Gauge({
      name: 'prospect_worker_step_seconds',
      help: 'Time that a worker computed in the last step',
      ...ofWorker,
    }),
    stragglerRatio: new Gauge({
      name: 'prospect_straggler_ratio',
      help: "A worker's time for a micro-batch over the median of the others'",
      ...ofWorker,
    }),
  };
}

function makeCheckpointMetrics(registry: Registry) {
  const ofRun = { labelNames: ['run'] as const, registers: [registry] };
  /** By run: when its last checkpoint was written, by `performance.now()`. */
  const checkpointsAtMs = new Map<string, number>();
  const checkpointAge: Gauge<'run'> = new Gauge({
    name: 'prospect_checkpoint_age_seconds',
    help: 'Since the last checkpoint of a run was written',
    ...ofRun,
    collect: () => {
      for (const [run, atMs] of checkpointsAtMs) {
        checkpointAge.set({ run }, (performance.now() - atMs) / 1000);
      }
    },
  });
  const checkpointSeconds = new Gauge({
    name: 'prospect_checkpoint_duration_seconds',
    help: 'From the beginning of the last checkpoint of a run until it stood',
    ...ofRun,
  });
  return { checkpointsAtMs, checkpointAge, checkpointSeconds };
}

function makeTrainingGauges(registry: Registry): ReadonlyMap<string, Gauge<'run' | 'class'>> {
  const gauges = new Map<string, Gauge<'run' | 'class'>>();
  for (const [, name, help, class_] of trainingGauges) {
    if (gauges.has(name)) continue;
    const labelNames = class_ === null ? (['run'] as const) : (['run', 'class'] as const);
    gauges.set(name, new Gauge({ name, help, labelNames, registers: [registry] }));
  }
  return gauges;
}
