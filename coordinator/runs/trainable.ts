import type { RunConfig, StageConfig } from '../../lib/config/types.js';
import { ConfigError } from '../../lib/errors.js';
import { needsOf } from '../../lib/methods/needs.js';

/** @throws ConfigError for a run file that asks for what is not done yet. */
export function requireTrainable({ stages }: RunConfig): void {
  stages.forEach((stage, index) => {
    const key = untrainedKey(stage);
    if (key !== null) throw new ConfigError(`stage ${index + 1}: "${key}" cannot be trained yet; change it`);
  });
  const { data, objective } = stages.at(-1)!;
  const judged = objective.method === 'sft' || (objective.method === 'kto' && objective.scoreScale === null);
  if (data.eval !== null && !judged) {
    throw new ConfigError(
      `data.eval: held-out rows for ${objective.method} cannot be judged yet; remove it from the last stage`,
    );
  }
}

function untrainedKey({ objective }: StageConfig): string | null {
  return needsOf(objective).critic ? 'critic_coef above 0' : null;
}
