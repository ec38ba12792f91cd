import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { metrics, processMetrics } from '../../deploy/monitoring/metrics.js';
import { packagePath } from '../../lib/package.js';
import { missing } from '../chart/tools.js';
import { BackgroundProgram } from './background-program.js';
import { readEnvironment, whyNot } from './environment.js';
import { Prometheus } from './prometheus.js';
import type { Release } from './release.js';
import { scrapeConfigOf } from './scrape-config.js';
import { Submitted } from './submitted.js';
import { findTargets } from './targets.js';
import { Trial } from './trial.js';

const environment = readEnvironment(process.env);
const INTERVAL = '1s';
/** As Grafana fills it in: four scrapes. */
const RATE_INTERVAL = '4s';
const PATIENCE_MS = 120_000;

/**
 * Of a run that goes well no alert has data. That each is raised by what it is for, `promtool test rules` proves
 * (test/chart/alerts.test.yaml).
 */
const silent = [
  'ProspectCallsRefused',
  'ProspectCheckpointTooOld',
  'ProspectCollectiveStranger',
  'ProspectKlRunaway',
  'ProspectNoStep',
  'ProspectNonFinite',
  'ProspectReferenceDown',
  'ProspectRunFailed',
  'ProspectWorkerFlapping',
];

/** Loose: Prometheus gets all of it. */
const rulesSchema = z.looseObject({
  groups: z.array(z.looseObject({ rules: z.array(z.looseObject({ alert: z.string(), expr: z.string() })) })),
});

const dashboardSchema = z.object({
  panels: z.array(
    z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })).default([]) }),
  ),
});

const rulesTestSchema = z.object({
  tests: z.array(
    z.object({
      alert_rule_test: z.array(z.object({ alertname: z.string(), exp_alerts: z.array(z.unknown()) })),
    }),
  ),
});

describe('a Prometheus that scrapes a run', { skip: whyNot(environment) || missing('prometheus') }, () => {
  // It goes with its release, once all is seen.
  const trial = new Trial(environment, { epochs: 5_000, save_steps: 10 });
  const stops: (() => void | Promise<void>)[] = [];
  let release: Release;
  let prometheus: Prometheus;
  let rules: z.infer<typeof rulesSchema>;

  before(async () => {
    await trial.prepare();
    release = await trial.install();
    rules = rulesSchema.parse(await specOf('prometheusrule', release.fullName));
    const submitted = new Submitted(trial.runFile, release, '--workers', '2');
    stops.unshift(() => submitted.kill());
    await submitted.reaches(1);
    prometheus = await startPrometheus();
  });

  after(async () => {
    for (const stop of stops) await stop();
    await trial.end('with Prometheus');
  });

  /** Once the pods are there that it is to find. */
  async function startPrometheus(): Promise<Prometheus> {
    const proxy = await BackgroundProgram.start('kubectl', ['proxy', '--port=0'], /serve on (\S+)/);
    stops.unshift(() => proxy.stop());
    const targets = await findTargets(trial.namespace);
    const monitors = [
      await objectOf('servicemonitor', `${release.fullName}-coordinator`),
      await objectOf('podmonitor', `${release.fullName}-workers`),
    ];
    const configs = monitors.map((monitor) => scrapeConfigOf(monitor, targets, proxy.found[1]!, INTERVAL));
    const started = await Prometheus.start(configs, rules, INTERVAL);
    stops.unshift(() => started.stop());
    return started;
  }

  async function objectOf(kind: string, name: string): Promise<unknown> {
    return JSON.parse(await release.kubectl('get', kind, name, '-o', 'json'));
  }

  async function specOf(kind: string, name: string): Promise<unknown> {
    return z.object({ spec: z.unknown() }).parse(await objectOf(kind, name)).spec;
  }

  /** Those that have no data within a while, in a run that goes on. */
  async function withoutData(expressions: readonly string[]): Promise<readonly string[]> {
    const deadline = Date.now() + PATIENCE_MS;
    let left = expressions;
    for (;;) {
      const found = await Promise.all(left.map((expr) => prometheus.hasData(expr)));
      left = left.filter((_, index) => !found[index]);
      if (left.length === 0 || Date.now() > deadline) return left;
      await delay(500);
    }
  }

  test('every expression of the dashboard has data', async () => {
    const text = await release.kubectl(
      'get',
      'configmap',
      `${release.fullName}-dashboard`,
      '-o',
      `go-template={{index .data "${release.fullName}.json"}}`,
    );
    const { panels } = dashboardSchema.parse(JSON.parse(text));
    const expressions = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
    assert.ok(expressions.length > 0);
    const due = expressions.map((expr) => expr.replaceAll('$__rate_interval', RATE_INTERVAL));
    assert.deepEqual(await withoutData(due), []);
  });

  test('every series that an alert reads is there, and no alert is raised', async () => {
    const all = rules.groups.flatMap((group) => group.rules);
    assert.deepEqual(all.map(({ alert }) => alert).sort(), silent);
    const series = all.flatMap(({ expr }) =>
      [...expr.matchAll(/\w+\{[^}]*\}/g)].map(([selector]) => selector),
    );
    assert.ok(series.length >= all.length);
    assert.deepEqual(await withoutData(series), []);
    for (const { name, health, state, lastError } of await prometheus.rules()) {
      assert.equal(health, 'ok', `${name}: ${lastError}`);
      // Of a series with one sample as yet it may be pending: no change has been seen.
      assert.notEqual(state, 'firing', name);
    }
  });

  test('the alerts that are silent here are raised in a test of their own', () => {
    const { tests } = rulesTestSchema.parse(
      parse(readFileSync(packagePath('test/chart/alerts.test.yaml'), 'utf8')),
    );
    const raised = tests
      .flatMap(({ alert_rule_test: checks }) => checks)
      .filter(({ exp_alerts: alerts }) => alerts.length > 0)
      .map(({ alertname }) => alertname);
    assert.deepEqual([...new Set(raised)].sort(), silent);
  });

  test('every metric that they may read is in /metrics of coordinator or pods, of its type', async () => {
    const found = {
      coordinator: await prometheus.typesOf('ServiceMonitor'),
      worker: await prometheus.typesOf('PodMonitor'),
    };
    for (const [name, { type, of }] of Object.entries(metrics)) {
      assert.equal(found[of].get(name), type, `${name} of the ${of}`);
    }
    for (const [name, { type }] of Object.entries(processMetrics)) {
      assert.equal(found.coordinator.get(name), type, `${name} of the coordinator`);
      assert.equal(found.worker.get(name), type, `${name} of the worker`);
    }
  });
});
