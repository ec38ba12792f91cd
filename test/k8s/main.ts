/**
 * `npm run test:k8s`: every file of tests here, or those that are named, one after the other on one cluster. What the
 * environment does not name, a cluster or images, the tools bring about, and take away in the end.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readEnvironment } from './environment.js';
import { OwnCluster } from './own-cluster.js';

const beganMs = Date.now();
const environment = readEnvironment(process.env);
const interrupted = new AbortController();

/** @returns whether all tests passed */
async function test(file: string, variables: Readonly<Record<string, string>>): Promise<boolean> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, ['--test', '--test-reporter=spec', path], {
    stdio: 'inherit',
    env: { ...process.env, ...variables },
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code === 0;
}

function filesOfTests(): readonly string[] {
  const named = process.argv.slice(2).map((name) => `${name}.test.js`);
  if (named.length > 0) return named;
  return readdirSync(new URL('.', import.meta.url)).filter((name) => name.endsWith('.test.js'));
}

const tellTime = (what: string) =>
  console.log(`${what}: ${((Date.now() - beganMs) / 1000).toFixed(0)} s after the start`);

// The tests are told so too, and clean up; then the cluster goes.
process.on('SIGINT', () => interrupted.abort());
const cluster = environment.tools === null ? null : await OwnCluster.start(environment);
tellTime('cluster and images are there');
try {
  for (const file of filesOfTests()) {
    if (interrupted.signal.aborted) break;
    await cluster?.tidyUp();
    const hasPassed = await test(file, cluster?.variables ?? {});
    if (!hasPassed) process.exitCode = 1;
    tellTime(file);
  }
} finally {
  await cluster?.stop();
}
tellTime('all of it');
