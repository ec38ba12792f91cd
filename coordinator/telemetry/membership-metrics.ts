import { Counter, Gauge, type Registry } from 'prom-client';
import type { WorkerPace } from '../runs/worker-paces.js';

/** Who trains, who was lost, and who keeps the others waiting. */
export class MembershipMetrics {
  readonly #workers: Gauge;
  readonly #generation: Gauge;
  readonly #lost: Counter;
  readonly #restarts: Counter;
  readonly #stepSeconds: Gauge<'worker'>;
  readonly #stragglerRatio: Gauge<'worker'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#workers = new Gauge({
      name: 'prospect_workers',
      help: 'Workers that are members of the current run',
      registers,
    });
    this.#generation = new Gauge({
      name: 'prospect_generation',
      help: 'Generation of workers of the current run',
      registers,
    });
    this.#lost = new Counter({
      name: 'prospect_workers_lost_total',
      help: 'Workers that failed, died, fell silent or could not be worked with',
      registers,
    });
    this.#restarts = new Counter({
      name: 'prospect_worker_restarts_total',
      help: 'Workers that were started again',
      registers,
    });
    this.#stepSeconds = new Gauge({
      name: 'prospect_worker_step_seconds',
      help: 'Time that a worker computed in the last step',
      labelNames: ['worker'],
      registers,
    });
    this.#stragglerRatio = new Gauge({
      name: 'prospect_straggler_ratio',
      help: "A worker's time for a micro-batch over the median of the others'",
      labelNames: ['worker'],
      registers,
    });
  }

  formed(generation: number, workers: number): void {
    this.#generation.set(generation);
    this.#workers.set(workers);
    this.#stepSeconds.reset();
    this.#stragglerRatio.reset();
  }

  lost(): void {
    this.#lost.inc();
  }

  restarted(): void {
    this.#restarts.inc();
  }

  observe(paces: readonly WorkerPace[], ratios: ReadonlyMap<string, number>): void {
    for (const { workerId, computeMs } of paces)
      this.#stepSeconds.set({ worker: workerId }, computeMs / 1000);
    for (const [worker, ratio] of ratios) this.#stragglerRatio.set({ worker }, ratio);
  }

  runEnded(): void {
    this.#workers.set(0);
    this.#generation.set(0);
    this.#stepSeconds.reset();
    this.#stragglerRatio.reset();
  }
}
