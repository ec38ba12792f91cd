import { fork } from 'node:child_process';
import { on, once } from 'node:events';
import { fileURLToPath } from 'node:url';

import type { CollectiveSecurity } from '../../../worker/collective/curve.js';
import { together, type Group } from './operation.js';
import type { RankAnswer, RankCommand } from './rank.js';

class Rank {
  private readonly process;
  private readonly answers;

  constructor(security: CollectiveSecurity) {
    this.process = fork(fileURLToPath(new URL('./rank.js', import.meta.url)), [security]);
    this.answers = on(this.process, 'message', { close: ['exit'] });
  }

  async answer<Kind extends RankAnswer['kind']>(kind: Kind): Promise<Extract<RankAnswer, { kind: Kind }>> {
    const next = (await this.answers.next()) as IteratorResult<[RankAnswer], undefined>;
    if (next.done === true) throw new Error('a rank of the bench ended');
    const [message] = next.value;
    if (message.kind !== kind) throw new Error(`${message.kind} instead of ${kind}`);
    return message as Extract<RankAnswer, { kind: Kind }>;
  }

  tell(command: RankCommand): void {
    this.process.send(command);
  }

  async close(): Promise<void> {
    const exit = once(this.process, 'exit');
    this.tell({ kind: 'close' });
    await exit;
  }
}

/** Our collective between processes of this machine. */
export async function prospectGroup(worldSize: number, security: CollectiveSecurity): Promise<Group> {
  const ranks = Array.from({ length: worldSize }, () => new Rank(security));
  const bound = await Promise.all(ranks.map((rank) => rank.answer('bound')));
  const endpoints = bound.map(({ endpoint }) => endpoint);
  const publicKeys = bound.map(({ publicKey }) => publicKey);
  ranks.forEach((rank, index) => rank.tell({ kind: 'connect', rank: index, endpoints, publicKeys }));
  await Promise.all(ranks.map((rank) => rank.answer('connected')));
  return {
    async run(operation, iterations) {
      for (const rank of ranks) rank.tell({ kind: 'run', operation, iterations });
      const answers = await Promise.all(ranks.map((rank) => rank.answer('times')));
      return together(answers);
    },
    async close() {
      await Promise.all(ranks.map((rank) => rank.close()));
    },
  };
}
