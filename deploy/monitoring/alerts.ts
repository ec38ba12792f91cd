import type { Select } from './select.js';

/** What an operator may set; PromQL and durations as text, so that the chart can put its own values in. */
export interface Thresholds {
  readonly noStepFor: string;
  readonly checkpointAgeSeconds: string;
  readonly klNats: string;
}

export const defaultThresholds: Thresholds = {
  noStepFor: '15m',
  checkpointAgeSeconds: '3600',
  klNats: '50',
};

/** A Prometheus alerting rule. */
export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: 'warning' | 'critical' };
  readonly annotations: { readonly summary: string; readonly description: string };
}

export interface RuleFile {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Alert[] }[];
}

export function alertRules(select: Select, thresholds: Thresholds): RuleFile {
  return {
    groups: [
      { name: 'prospect-run', rules: runAlerts(select, thresholds) },
      { name: 'prospect-training', rules: trainingAlerts(select, thresholds) },
      { name: 'prospect-cluster', rules: clusterAlerts(select, thresholds) },
      { name: 'prospect-security', rules: securityAlerts(select) },
    ],
  };
}

function runAlerts(select: Select, { noStepFor }: Thresholds): Alert[] {
  return [
    {
      alert: 'ProspectNoStep',
      // A run has the counter for as long as steps are due. The window is what two scrapes need; `for` counts from the
      // last step.
      expr: `changes(${select('prospect_steps_committed_total')}[2m]) == 0`,
      for: noStepFor,
      labels: { severity: 'critical' },
      annotations: {
        summary: 'A run commits no steps',
        description: `{{ $labels.run }} of {{ $labels.instance }} is under way and has committed no step for ${noStepFor}: prospect status and prospect logs say what it waits for.`,
      },
    },
    {
      alert: 'ProspectRunFailed',
      expr: `delta(${select('prospect_runs', { state: 'failed' })}[10m]) > 0`,
      labels: { severity: 'warning' },
      annotations: {
        summary: 'A run has failed',
        description:
          'A run of {{ $labels.instance }} has failed: prospect status says why, prospect resume goes on with it.',
      },
    },
  ];
}

function trainingAlerts(select: Select, { klNats }: Thresholds): Alert[] {
  const kl = select('prospect_kl_nats');
  return [
    {
      alert: 'ProspectNonFinite',
      expr: `increase(${select('prospect_skipped_steps_total')}[15m]) > 0`,
      labels: { severity: 'warning' },
      annotations: {
        summary: 'Steps are skipped, because their numbers are not finite',
        description:
          'In 15 minutes {{ $value | printf "%.0f" }} steps of {{ $labels.run }} have changed no weight. Look at the rows that the log names, or lower the learning rate.',
      },
    },
    {
      alert: 'ProspectKlRunaway',
      expr: `avg_over_time(${kl}[10m]) > ${klNats} and deriv(${kl}[10m]) > 0`,
      for: '5m',
      labels: { severity: 'warning' },
      annotations: {
        summary: 'The policy runs away from its reference',
        description: `The KL estimate of {{ $labels.run }} is {{ $value | printf "%.1f" }} nats, above ${klNats}, and grows: raise beta, lower the learning rate, or stop.`,
      },
    },
    {
      alert: 'ProspectReferenceDown',
      expr: `${select('prospect_reference_up')} == 0`,
      for: '2m',
      labels: { severity: 'critical' },
      annotations: {
        summary: 'A reference replica does not answer',
        description:
          'The replica in {{ $labels.pod }} has not answered for 2 minutes: the log of its container says why.',
      },
    },
  ];
}

function clusterAlerts(select: Select, { checkpointAgeSeconds }: Thresholds): Alert[] {
  return [
    {
      alert: 'ProspectWorkerFlapping',
      expr: `increase(${select('prospect_worker_restarts_total')}[30m]) > 2`,
      labels: { severity: 'warning' },
      annotations: {
        summary: 'Workers are started again and again',
        description:
          'In 30 minutes {{ $value | printf "%.0f" }} workers of {{ $labels.instance }} were started again: look for a bad node or too little memory.',
      },
    },
    {
      alert: 'ProspectCheckpointTooOld',
      expr: `${select('prospect_checkpoint_age_seconds')} > ${checkpointAgeSeconds}`,
      for: '5m',
      labels: { severity: 'warning' },
      annotations: {
        summary: 'The newest checkpoint is old',
        description:
          'The last checkpoint of {{ $labels.run }} was written {{ $value | humanizeDuration }} ago: see whether the disk is full, or save more often.',
      },
    },
  ];
}

function securityAlerts(select: Select): Alert[] {
  return [
    {
      alert: 'ProspectCallsRefused',
      // Somebody who mistypes is refused a few times; a wrong set-up, or a stranger, again and again.
      expr: `increase(${select('prospect_refused_calls_total')}[15m]) > 10`,
      labels: { severity: 'warning' },
      annotations: {
        summary: 'Calls and connections are refused',
        description:
          'In 15 minutes {{ $value | printf "%.0f" }} calls or connections to {{ $labels.instance }} were refused, by reason of the {{ $labels.reason }}: lines with "refused" in the coordinator\'s log say from where. It is a wrong set-up, or a stranger.',
      },
    },
    {
      alert: 'ProspectCollectiveStranger',
      expr: `increase(${select('prospect_collective_refused_peers_total')}[15m]) > 0`,
      labels: { severity: 'warning' },
      annotations: {
        summary: 'A worker is called by who is no worker of its run',
        description:
          '{{ $labels.worker }} of {{ $labels.run }} has refused {{ $value | printf "%.0f" }} connections to its collective in 15 minutes: see who reaches the ports of {{ $labels.instance }}.',
      },
    },
  ];
}
