import { packagePath } from '../../lib/package.js';
import { podTemplateIn } from './objects.js';
import { render } from './tools.js';

/** The worker's pod as the chart makes it, for tests of the launcher, which need no Helm: `npm run chart:fixtures`. */
export const fixtures: ReadonlyMap<string, readonly string[]> = new Map([
  ['gpu', ['--set', 'tls.mode=none']],
  ['cpu', ['--set', 'tls.mode=none', '--set', 'workers.gpusPerNode=0']],
]);

export function fixturePath(name: string): string {
  return packagePath(`test/unit/coordinator/launch/kubernetes/fixtures/pod-template-${name}.yaml`);
}

export async function makeFixture(name: string): Promise<string> {
  return podTemplateIn(await render('demo', ...(fixtures.get(name) ?? []))) ?? '';
}
