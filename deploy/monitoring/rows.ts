import type { Row } from './grafana/panel.js';
import type { Select } from './select.js';

/** Grafana fills in what four scrapes take. */
const WINDOW = '$__rate_interval';

export function dashboardRows(select: Select): Row[] {
  return [training(select), speed(select), cluster(select), reference(select), security(select)];
}

const rate = (series: string) => `rate(${series}[${WINDOW}])`;

function training(select: Select): Row {
  const chosen = select('prospect_reward', { class: 'chosen' });
  const rejected = select('prospect_reward', { class: 'rejected' });
  return {
    title: 'Training',
    panels: [
      {
        title: 'Loss',
        description: 'Of the global batch, at each committed step.',
        unit: 'none',
        queries: [{ expr: select('prospect_loss'), legend: '{{run}}' }],
      },
      {
        title: 'KL estimate',
        description:
          'The reference point z0: how far answers moved from the reference on average. At 0 for long, or growing without end, it is worth a look.',
        unit: 'none',
        min: 0,
        queries: [{ expr: select('prospect_kl_nats'), legend: '{{run}} z0 (nats)' }],
      },
      {
        title: 'Rewards',
        description: 'The margin between what is wanted and what is not should grow.',
        unit: 'none',
        queries: [
          { expr: select('prospect_reward'), legend: '{{run}} {{class}}' },
          { expr: `${chosen} - ignoring (class) ${rejected}`, legend: '{{run}} margin' },
        ],
      },
      {
        title: 'Log-probs of completions',
        description:
          'Under the policy. Both falling together is a sign of a reward that is not what it seems.',
        unit: 'none',
        queries: [{ expr: select('prospect_completion_logp_nats'), legend: '{{run}} {{class}} (nats)' }],
      },
      {
        title: 'Gradient norm',
        description: 'Global L2 norm before clipping, as the coordinator and every worker have it.',
        unit: 'none',
        min: 0,
        queries: [
          { expr: select('prospect_grad_norm'), legend: '{{run}} committed' },
          {
            expr: `max by (run) (${select('prospect_worker_gradient_norm')})`,
            legend: '{{run}} highest of the workers',
          },
        ],
      },
      {
        title: 'Learning rate',
        description: 'Of the last committed step.',
        unit: 'none',
        min: 0,
        queries: [{ expr: select('prospect_learning_rate'), legend: '{{run}}' }],
      },
    ],
  };
}

function speed(select: Select): Row {
  const phaseSum = rate(select('prospect_step_phase_seconds_sum'));
  const phaseCount = rate(select('prospect_step_phase_seconds_count'));
  const workerPhaseSum = rate(select('prospect_worker_step_phase_seconds_sum'));
  const buckets = `sum by (run, le) (${rate(select('prospect_step_seconds_bucket'))})`;
  return {
    title: 'Speed',
    panels: [
      {
        title: 'Tokens per second',
        description: 'Prompt and completion tokens of committed steps.',
        unit: 'short',
        min: 0,
        queries: [{ expr: rate(select('prospect_tokens_total')), legend: '{{run}}' }],
      },
      {
        title: 'Time of a step',
        description: 'From one committed step to the next.',
        unit: 's',
        min: 0,
        queries: [
          { expr: `histogram_quantile(0.5, ${buckets})`, legend: '{{run}} median' },
          { expr: `histogram_quantile(0.95, ${buckets})`, legend: '{{run}} 95 %' },
        ],
      },
      {
        title: 'Where a step spends its time',
        description: 'Mean over the workers of a run, by phase.',
        unit: 's',
        min: 0,
        stacked: true,
        queries: [
          {
            expr: `sum by (run, phase) (${phaseSum}) / sum by (run, phase) (${phaseCount})`,
            legend: '{{run}} {{phase}}',
          },
        ],
      },
      {
        title: 'Steps per minute',
        description: 'Committed by the coordinator, and taken part in by each worker.',
        unit: 'short',
        min: 0,
        queries: [
          { expr: `60 * ${rate(select('prospect_steps_committed_total'))}`, legend: '{{run}}' },
          {
            expr: `60 * ${rate(select('prospect_worker_steps_total'))}`,
            legend: '{{pod}} {{worker}}',
          },
        ],
      },
      {
        title: 'Tokens per second of each worker',
        description: 'Shares differ by a micro-batch at most.',
        unit: 'short',
        min: 0,
        queries: [{ expr: rate(select('prospect_worker_tokens_total')), legend: '{{pod}} {{worker}}' }],
      },
      {
        title: 'Busy share of each worker by phase',
        description: 'What is missing to 1 was spent waiting for the coordinator.',
        unit: 'percentunit',
        min: 0,
        stacked: true,
        queries: [{ expr: workerPhaseSum, legend: '{{pod}} {{worker}} {{phase}}' }],
      },
    ],
  };
}

function cluster(select: Select): Row {
  return {
    title: 'Cluster',
    panels: [
      {
        title: 'Workers and generation',
        description: 'A generation is one fixed set of workers: it grows with each loss, join and resize.',
        unit: 'short',
        min: 0,
        queries: [
          { expr: select('prospect_workers'), legend: '{{run}} workers' },
          { expr: select('prospect_generation'), legend: '{{run}} generation' },
        ],
      },
      {
        title: 'Runs',
        description: 'By state.',
        unit: 'short',
        min: 0,
        queries: [{ expr: `sum by (state) (${select('prospect_runs')})`, legend: '{{state}}' }],
      },
      {
        title: 'Workers lost and started again',
        description: 'In the hour before. Nothing is lost with a worker but the step under way.',
        unit: 'short',
        min: 0,
        queries: [
          { expr: `increase(${select('prospect_workers_lost_total')}[1h])`, legend: 'lost' },
          { expr: `increase(${select('prospect_worker_restarts_total')}[1h])`, legend: 'started again' },
        ],
      },
      {
        title: 'Slow workers',
        description:
          "A worker's time for a micro-batch over the median of the others': 1 is like the others.",
        unit: 'none',
        min: 0,
        queries: [{ expr: select('prospect_straggler_ratio'), legend: '{{run}} {{worker}}' }],
      },
      {
        title: 'Computing time of the last step',
        description: 'Of each worker.',
        unit: 's',
        min: 0,
        queries: [{ expr: select('prospect_worker_step_seconds'), legend: '{{run}} {{worker}}' }],
      },
      {
        title: 'Checkpoints',
        description: 'Age of the newest, and how long it took to write.',
        unit: 's',
        min: 0,
        queries: [
          { expr: select('prospect_checkpoint_age_seconds'), legend: '{{run}} age' },
          { expr: select('prospect_checkpoint_duration_seconds'), legend: '{{run}} time to write' },
        ],
      },
      {
        title: 'Skipped steps',
        description: 'In the hour before: steps whose numbers were not finite.',
        unit: 'short',
        min: 0,
        queries: [{ expr: `increase(${select('prospect_skipped_steps_total')}[1h])`, legend: '{{run}}' }],
      },
      {
        title: 'Memory',
        description: 'Resident, of the coordinator and each worker.',
        unit: 'bytes',
        min: 0,
        queries: [{ expr: select('process_resident_memory_bytes'), legend: '{{pod}} {{worker}}' }],
      },
      {
        title: 'Event loop',
        description: 'How late the main thread is, 99 %: far below a heartbeat of 2 s is well.',
        unit: 's',
        min: 0,
        queries: [{ expr: select('nodejs_eventloop_lag_p99_seconds'), legend: '{{pod}} {{worker}}' }],
      },
    ],
  };
}

function reference(select: Select): Row {
  const hits = rate(select('prospect_reference_cache_hits_total'));
  const misses = rate(select('prospect_reference_cache_misses_total'));
  const waiting = rate(select('prospect_step_phase_seconds_sum', { phase: 'reference' }));
  const steps = rate(select('prospect_step_phase_seconds_count', { phase: 'reference' }));
  return {
    title: 'Reference',
    panels: [
      {
        title: 'Answers from the cache',
        description: 'From the second epoch on, all of them.',
        unit: 'percentunit',
        min: 0,
        max: 1,
        queries: [{ expr: `sum(${hits}) / (sum(${hits}) + sum(${misses}))`, legend: 'from the cache' }],
      },
      {
        title: 'Micro-batches per second',
        description: 'Taken from the cache, and computed by the replicas.',
        unit: 'short',
        min: 0,
        stacked: true,
        queries: [
          { expr: `sum(${hits})`, legend: 'from the cache' },
          { expr: `sum(${misses})`, legend: 'computed' },
        ],
      },
      {
        title: 'Waiting for the reference',
        description:
          'Per step and worker. Replicas work one step ahead: little, unless they are the bottleneck.',
        unit: 's',
        min: 0,
        queries: [
          {
            expr: `sum by (run, worker) (${waiting}) / sum by (run, worker) (${steps})`,
            legend: '{{run}} {{worker}}',
          },
        ],
      },
      {
        title: 'Replicas that answer',
        description: 'As the supervisors beside them see it.',
        unit: 'short',
        min: 0,
        queries: [{ expr: `sum(${select('prospect_reference_up')})`, legend: 'nodes whose replica answers' }],
      },
    ],
  };
}

function security(select: Select): Row {
  return {
    title: 'Security',
    panels: [
      {
        title: 'Refused calls and connections',
        description:
          'In the hour before, by the coordinator: a bad certificate or token, a right that the role lacks, too many at once. Its log says who.',
        unit: 'short',
        min: 0,
        queries: [
          {
            expr: `increase(${select('prospect_refused_calls_total')}[1h])`,
            legend: '{{instance}} {{reason}}',
          },
        ],
      },
      {
        title: 'Strangers at the collective',
        description:
          'In the hour before: connections to a worker of who is no worker of its run. Stays at 0.',
        unit: 'short',
        min: 0,
        queries: [
          {
            expr: `increase(${select('prospect_collective_refused_peers_total')}[1h])`,
            legend: '{{pod}} {{worker}}',
          },
        ],
      },
    ],
  };
}
