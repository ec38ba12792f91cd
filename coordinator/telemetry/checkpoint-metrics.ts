import { Gauge, type Registry } from 'prom-client';

/** How much work a loss of all workers would cost. */
export class CheckpointMetrics {
  readonly #durationSeconds: Gauge;
  #writtenAtMs: number | null = null;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#durationSeconds = new Gauge({
      name: 'prospect_checkpoint_duration_seconds',
      help: 'From the beginning of the last checkpoint until it stood',
      registers,
    });
    const age: Gauge = new Gauge({
      name: 'prospect_checkpoint_age_seconds',
      help: 'Since the last checkpoint of the current run was written',
      registers,
      collect: () => {
        if (this.#writtenAtMs === null) age.reset();
        else age.set((performance.now() - this.#writtenAtMs) / 1000);
      },
    });
  }

  written(durationMs: number): void {
    this.#writtenAtMs = performance.now();
    this.#durationSeconds.set(durationMs / 1000);
  }

  runEnded(): void {
    this.#writtenAtMs = null;
    this.#durationSeconds.reset();
  }
}
