import assert from 'node:assert/strict';
import { accessSync, constants, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';

import { packagePath } from '../../lib/package.js';
import { runCommand, type Finished } from '../../deploy/tensorflow/command.js';

export const root = packagePath('');
export const chart = packagePath('charts/prospect');

/** The Prometheus operator's kinds, as Helm is told of them. */
export const operatorKinds = ['ServiceMonitor', 'PodMonitor', 'PrometheusRule'].flatMap((kind) => [
  '--api-versions',
  `monitoring.coreos.com/v1/${kind}`,
]);

/** The sets of values that are checked, by name; `defaults` are the chart's own. */
export const valueSets: ReadonlyMap<string, readonly string[]> = new Map<string, readonly string[]>([
  ['defaults', []],
  ...readdirSync(join(chart, 'ci')).map(
    (file) => [file.replace(/\.yaml$/, ''), ['--values', join(chart, 'ci', file)]] as const,
  ),
]);

/** For a test's `skip`: which of these programs is not on the PATH; false where all are. */
export function missing(...programs: readonly string[]): string | false {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const absent = programs.filter((program) => !folders.some((folder) => isProgram(join(folder, program))));
  return absent.length === 0 ? false : `not on the PATH: ${absent.join(', ')}`;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** kubeconform's `-schema-location`, where this machine has schemas; it would fetch them from elsewhere. */
export const schemaLocation = process.env['KUBECONFORM_SCHEMAS'];
export const missingSchemas =
  schemaLocation === undefined ? 'KUBECONFORM_SCHEMAS names no location of schemas' : false;

export function run(program: string, ...args: readonly string[]): Promise<Finished> {
  return runCommand(program, args, process.env);
}

/** Runs a program that must succeed. @returns what it printed */
export async function succeed(program: string, ...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await run(program, ...args);
  assert.equal(exitCode, 0, `${program} ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

/** What the chart makes, as one YAML stream. */
export function render(release: string, ...flags: readonly string[]): Promise<string> {
  return succeed('helm', 'template', release, chart, '--namespace', 'training', ...flags);
}

export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'prospect-chart-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}
