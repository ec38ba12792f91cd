/** The child of child.test.ts; its first argument says how it behaves. */
import { spawnChild } from '../../../lib/process/child.js';
import { announceReady, exitWithParent } from '../../../lib/process/lifeline.js';

const stayAlive = () => setInterval(() => undefined, 60_000);

switch (process.argv[2]) {
  case 'ready':
    console.log(`argument ${process.argv[3] ?? ''}, environment ${process.env['CHILD_TEST'] ?? ''}`);
    announceReady({ address: '127.0.0.1:1234' });
    process.on('SIGTERM', () => process.exit(0));
    stayAlive();
    break;
  case 'exit':
    process.exit(3);
    break;
  case 'stubborn':
    process.on('SIGTERM', () => undefined);
    announceReady();
    stayAlive();
    break;
  case 'idle':
    exitWithParent(() => undefined);
    announceReady();
    break;
  case 'parent': {
    const child = spawnChild({
      name: 'child',
      entry: process.argv[1]!,
      args: [process.argv[3]!],
      stdio: 'inherit',
    });
    await child.ready;
    console.log('child is ready');
    stayAlive();
    break;
  }
  case 'orderly-orphan':
    exitWithParent(() => console.log('parent is gone'));
    announceReady();
    stayAlive();
    break;
  case 'hanging-orphan':
    exitWithParent(() => new Promise(() => undefined), { graceMs: 100 });
    announceReady();
    stayAlive();
    break;
}
