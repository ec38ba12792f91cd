import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Traffic } from './collective/collective.js';
import type { StepOutcome } from './trainer/step.js';
import { ownSequences, type StepTask } from './trainer/work.js';

const SECONDS_BUCKETS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180];

/** This worker's Prometheus metrics. */
export class WorkerMetrics {
  private readonly registry = new Registry();
  private readonly phaseSeconds = new Histogram({
    name: 'prospect_worker_step_phase_seconds',
    help: 'Time that one optimizer step spent in each phase on this worker.',
    labelNames: ['phase'] as const,
    buckets: SECONDS_BUCKETS,
    registers: [this.registry],
  });
  private readonly steps = new Counter({
    name: 'prospect_worker_steps_total',
    help: 'Committed optimizer steps that this worker took part in.',
    registers: [this.registry],
  });
  private readonly tokens = new Counter({
    name: 'prospect_worker_tokens_total',
    help: 'Prompt and completion tokens that this worker trained on.',
    registers: [this.registry],
  });
  private readonly gradientNorm = new Gauge({
    name: 'prospect_worker_gradient_norm',
    help: 'Global L2 norm of the last gradient, before clipping.',
    registers: [this.registry],
  });
  private readonly referenceHits = new Counter({
    name: 'prospect_reference_cache_hits_total',
    help: 'Micro-batches of this worker whose reference log-probs came with the work, or from the replica’s disk cache.',
    registers: [this.registry],
  });
  private readonly referenceMisses = new Counter({
    name: 'prospect_reference_cache_misses_total',
    help: 'Micro-batches of this worker whose log-probs the reference replica computed.',
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  /** From now on tells of this collective. */
  watch(traffic: Readonly<Traffic>): void {
    const refused = new Counter({
      name: 'prospect_collective_refused_peers_total',
      help: 'Connections to this worker of whoever is no worker of its run.',
      registers: [this.registry],
      collect: () => {
        refused.reset();
        refused.inc(traffic.refusedPeers);
      },
    });
  }

  observeStep(task: StepTask, outcome: StepOutcome): void {
    for (const [phase, ms] of Object.entries(outcome.times)) this.phaseSeconds.observe({ phase }, ms / 1000);
    this.steps.inc();
    for (const { ids } of task.leaves.flatMap(ownSequences)) this.tokens.inc(ids.length);
    this.gradientNorm.set(outcome.gradientNorm);
  }

  observeReference(cached: boolean): void {
    (cached ? this.referenceHits : this.referenceMisses).inc();
  }

  render(): Promise<string> {
    return this.registry.metrics();
  }
}
