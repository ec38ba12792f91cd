import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { together, type Group, type RankTaken } from './operation.js';

/** From the compiled file to the sources, where the script is. */
const SCRIPT = fileURLToPath(new URL('../../../../test/bench/python/gloo_rank.py', import.meta.url));

/** gloo, by torch.distributed, between processes of this machine. */
export function glooGroup(python: string, worldSize: number): Group {
  const directory = mkdtempSync(join(tmpdir(), 'prospect-bench-'));
  const ranks = Array.from({ length: worldSize }, (_, rank) => {
    const child = spawn(python, [SCRIPT, join(directory, 'store'), String(rank), String(worldSize)], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, GLOO_SOCKET_IFNAME: 'lo' },
    });
    return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
  });
  return {
    async run(operation, iterations) {
      for (const { child } of ranks) child.stdin.write(`${JSON.stringify({ ...operation, iterations })}\n`);
      const answers = await Promise.all(ranks.map(({ lines }) => lines.next()));
      return together(
        answers.map(({ value, done }) => {
          if (done === true) throw new Error('a rank of gloo ended');
          return JSON.parse(value) as RankTaken;
        }),
      );
    },
    async close() {
      await Promise.all(
        ranks.map(async ({ child }) => {
          const exit = once(child, 'exit');
          child.stdin.end();
          await exit;
        }),
      );
      rmSync(directory, { recursive: true });
    },
  };
}
