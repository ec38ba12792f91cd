import type { RunConfig } from '../../lib/config/types.js';
import { ConfigError } from '../../lib/errors.js';

/** @throws ConfigError for a run file that asks for what is not done yet. */
export function requireTrainable({ stages }: RunConfig): void {
  const { data, objective } = stages.at(-1)!;
  const judged = objective.method === 'sft' || (objective.method === 'kto' && objective.scoreScale === null);
  if (data.eval !== null && !judged) {
    throw new ConfigError(
      `data.eval: held-out rows for ${objective.method} cannot be judged yet; remove it from the last stage`,
    );
  }
}
