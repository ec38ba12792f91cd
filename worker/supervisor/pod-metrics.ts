import { Gauge, Registry } from 'prom-client';
import { mergeMetrics, type ProcessMetrics } from './merge-metrics.js';

/** Far shorter than a scrape's own timeout of 10 s. */
const WORKER_TIMEOUT_MS = 2_000;

/** Where a worker serves its metrics. */
export interface MetricsSource {
  readonly workerId: string;
  /** host:port. */
  readonly address: string;
}

export interface PodMetricsOptions {
  /** The workers that serve metrics now. */
  readonly sources: () => readonly MetricsSource[];
  /** Whether the node's replica answers; null where nobody has asked for a reference. */
  readonly referenceUp: () => Promise<boolean | null>;
}

/** A pod's Prometheus metrics: those of its workers, and of what the supervisor sees itself. */
export class PodMetrics {
  private readonly registry = new Registry();
  private readonly reference = new Gauge({
    name: 'prospect_reference_up',
    help: "1 where the node's reference replica answers its health check; absent where no stage needed one yet.",
    registers: [this.registry],
  });

  constructor(private readonly options: PodMetricsOptions) {}

  async render(): Promise<string> {
    const { sources, referenceUp } = this.options;
    const [isUp, ...workers] = await Promise.all([referenceUp(), ...sources().map(readMetrics)]);
    const known = workers.flatMap((metrics) => metrics ?? []);
    if (isUp === null) return mergeMetrics(known);
    this.reference.set(isUp ? 1 : 0);
    return mergeMetrics([{ worker: null, text: await this.registry.metrics() }, ...known]);
  }
}

/** Null where the worker does not answer: it may be ending, and its missing metrics say so. */
async function readMetrics({ workerId, address }: MetricsSource): Promise<ProcessMetrics | null> {
  try {
    const response = await fetch(`http://${address}/metrics`, {
      signal: AbortSignal.timeout(WORKER_TIMEOUT_MS),
    });
    return response.ok ? { worker: workerId, text: await response.text() } : null;
  } catch {
    return null;
  }
}
