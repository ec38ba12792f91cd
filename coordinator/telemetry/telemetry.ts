import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import { runStates, type RunState } from '../runs/state.js';
import { makeRunMetrics, type RunMetrics } from './run-metrics.js';
import { RunTelemetry } from './run-telemetry.js';

/** The coordinator's Prometheus metrics. */
export class Telemetry {
  readonly registry = new Registry();
  readonly #runMetrics: RunMetrics;
  readonly #workersLost: Counter;
  readonly #workerRestarts: Counter;

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
    // Of all runs: they tell of the machines, and must not go with the run that ended because of them.
    this.#workersLost = new Counter({
      name: 'prospect_workers_lost_total',
      help: 'Workers that failed, died, fell silent or could not be worked with',
      registers,
    });
    this.#workerRestarts = new Counter({
      name: 'prospect_worker_restarts_total',
      help: 'Workers that were started again',
      registers,
    });
    this.#runMetrics = makeRunMetrics(this.registry);
  }

  /** What is measured of a run, until it is told that the run has ended. */
  ofRun(id: string): RunTelemetry {
    return new RunTelemetry(id, this.#runMetrics);
  }

  workerLost(): void {
    this.#workersLost.inc();
  }

  workerRestarted(): void {
    this.#workerRestarts.inc();
  }
}
