import type { RunConfig, StageConfig } from '../../lib/config/types.js';
import { ConfigError } from '../../lib/errors.js';

/** @throws ConfigError for a run file that asks for what no worker trains yet. */
export function requireTrainable({ stages }: RunConfig): void {
  stages.forEach((stage, index) => {
    const key = untrainedKey(stage);
    if (key !== null) throw new ConfigError(`stage ${index + 1}: "${key}" cannot be trained yet; change it`);
  });
}

function untrainedKey({ objective, adapter, lora, reference }: StageConfig): string | null {
  if (adapter !== null) return 'adapter';
  if (lora !== null) return 'lora';
  if (reference === 'base') return 'reference: base';
  if (objective.method === 'sft') return null;
  if (objective.method !== 'kto') return `method: ${objective.method}`;
  if (objective.humanline !== null) return 'humanline';
  if (objective.scoreScale !== null) return 'score_scale';
  if (objective.z0Denominator !== 'all') return `z0_denominator: ${objective.z0Denominator}`;
  if (objective.desirableWeight === 'auto') return 'desirable_weight: auto';
  if (objective.undesirableWeight === 'auto') return 'undesirable_weight: auto';
  return null;
}
