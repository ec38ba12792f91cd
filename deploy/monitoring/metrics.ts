interface Metric {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly of: 'coordinator' | 'worker';
}

/** The metrics that the dashboard and the alerts may read, as `/metrics` of the coordinator and of a run's pods shows them. */
export const metrics = {
  prospect_runs: { type: 'gauge', labels: ['state'], of: 'coordinator' },
  prospect_workers: { type: 'gauge', labels: ['run'], of: 'coordinator' },
  prospect_generation: { type: 'gauge', labels: ['run'], of: 'coordinator' },
  prospect_workers_lost_total: { type: 'counter', labels: [], of: 'coordinator' },
  prospect_worker_restarts_total: { type: 'counter', labels: [], of: 'coordinator' },
  prospect_refused_calls_total: { type: 'counter', labels: ['reason'], of: 'coordinator' },
  prospect_worker_step_seconds: { type: 'gauge', labels: ['run', 'worker'], of: 'coordinator' },
  prospect_straggler_ratio: { type: 'gauge', labels: ['run', 'worker'], of: 'coordinator' },
  prospect_checkpoint_age_seconds: { type: 'gauge', labels: ['run'], of: 'coordinator' },
  prospect_checkpoint_duration_seconds: { type: 'gauge', labels: ['run'], of: 'coordinator' },
  prospect_steps_committed_total: { type: 'counter', labels: ['run'], of: 'coordinator' },
  prospect_skipped_steps_total: { type: 'counter', labels: ['run'], of: 'coordinator' },
  prospect_tokens_total: { type: 'counter', labels: ['run'], of: 'coordinator' },
  prospect_step_seconds: { type: 'histogram', labels: ['run'], of: 'coordinator' },
  prospect_step_phase_seconds: { type: 'histogram', labels: ['run', 'worker', 'phase'], of: 'coordinator' },
  prospect_loss: { type: 'gauge', labels: ['run'], of: 'coordinator' },
  prospect_kl_nats: { type: 'gauge', labels: ['run'], of: 'coordinator' },
  prospect_reward: { type: 'gauge', labels: ['run', 'class'], of: 'coordinator' },
  prospect_completion_logp_nats: { type: 'gauge', labels: ['run', 'class'], of: 'coordinator' },
  prospect_grad_norm: { type: 'gauge', labels: ['run'], of: 'coordinator' },
  prospect_learning_rate: { type: 'gauge', labels: ['run'], of: 'coordinator' },
  prospect_worker_step_phase_seconds: { type: 'histogram', labels: ['worker', 'phase'], of: 'worker' },
  prospect_worker_steps_total: { type: 'counter', labels: ['worker'], of: 'worker' },
  prospect_worker_tokens_total: { type: 'counter', labels: ['worker'], of: 'worker' },
  prospect_worker_gradient_norm: { type: 'gauge', labels: ['worker'], of: 'worker' },
  prospect_collective_refused_peers_total: { type: 'counter', labels: ['worker'], of: 'worker' },
  prospect_reference_up: { type: 'gauge', labels: [], of: 'worker' },
  prospect_reference_cache_hits_total: { type: 'counter', labels: ['worker'], of: 'worker' },
  prospect_reference_cache_misses_total: { type: 'counter', labels: ['worker'], of: 'worker' },
} as const satisfies Readonly<Record<string, Metric>>;

/** What prom-client measures of every process, as far as it is read. */
export const processMetrics = {
  process_resident_memory_bytes: { type: 'gauge', labels: [] },
  nodejs_eventloop_lag_p99_seconds: { type: 'gauge', labels: [] },
} as const satisfies Readonly<Record<string, Omit<Metric, 'of'>>>;

type Known = typeof metrics & typeof processMetrics;
export type MetricName = keyof Known;

type HistogramPart = 'bucket' | 'sum' | 'count';

/** What a metric is stored as: itself, or a histogram's three parts. */
export type SeriesName = {
  [Name in MetricName]: Known[Name]['type'] extends 'histogram' ? `${Name}_${HistogramPart}` : Name;
}[MetricName];

export type MetricOf<Series extends SeriesName> = Series extends MetricName
  ? Series
  : Series extends `${infer Name extends MetricName}_${HistogramPart}`
    ? Name
    : never;

export type LabelOf<Series extends SeriesName> = Known[MetricOf<Series>]['labels'][number];
