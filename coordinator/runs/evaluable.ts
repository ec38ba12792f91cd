import type { RunConfig } from '../../lib/config/types.js';
import { ConfigError } from '../../lib/errors.js';

/** @throws ConfigError for held-out rows that the last stage's method gives no way to judge yet */
export function requireEvaluable({ stages }: RunConfig): void {
  const { data, objective } = stages.at(-1)!;
  const judged = objective.method === 'sft' || (objective.method === 'kto' && objective.scoreScale === null);
  if (data.eval !== null && !judged) {
    throw new ConfigError(
      `data.eval: held-out rows for ${objective.method} cannot be judged yet; remove it from the last stage`,
    );
  }
}
