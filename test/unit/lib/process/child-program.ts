/** The child of child.test.ts; its first argument says how it behaves. */
import { ConfigError } from '../../../../lib/errors.js';
import { spawnChild } from '../../../../lib/process/child.js';
import { announceFailure, announceReady, exitWithParent } from '../../../../lib/process/lifeline.js';

const stayAlive = () => setInterval(() => undefined, 60_000);

const behaviours: Record<string, () => Promise<void> | void> = {
  ready: () => {
    console.log(`argument ${process.argv[3] ?? ''}, environment ${process.env['CHILD_TEST'] ?? ''}`);
    process.on('SIGTERM', () => process.exit(0));
    announceReady({ address: '127.0.0.1:1234' });
    stayAlive();
  },
  exit: () => process.exit(3),
  'bad-input': async () => {
    await announceFailure(new ConfigError('model: no such directory'));
    process.exit(2);
  },
  'out-of-luck': async () => {
    await announceFailure(new Error('port taken'));
    process.exit(1);
  },
  stubborn: () => {
    process.on('SIGTERM', () => undefined);
    announceReady();
    stayAlive();
  },
  idle: () => {
    exitWithParent(() => undefined);
    announceReady();
  },
  parent: async () => {
    const entry = process.argv[1]!;
    const child = spawnChild({ name: 'child', entry, args: [process.argv[3]!], stdio: 'inherit' });
    await child.ready;
    console.log('child is ready');
    stayAlive();
  },
  'orderly-orphan': () => {
    exitWithParent(() => console.log('parent is gone'));
    announceReady();
    stayAlive();
  },
  'hanging-orphan': () => {
    exitWithParent(() => new Promise(() => undefined), { graceMs: 100 });
    announceReady();
    stayAlive();
  },
};

await behaviours[process.argv[2]!]!();
