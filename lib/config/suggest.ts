/** What TRL and transformers call some of our keys. */
const TRL_NAMES: Readonly<Record<string, string>> = {
  chosen_control_token: 'desirable_control',
  gradient_accumulation_steps: 'global_batch_size',
  lora_alpha: 'alpha',
  lora_r: 'r',
  lora_target_modules: 'lora',
  lr_scheduler_type: 'lr_schedule',
  model_name_or_path: 'model',
  num_train_epochs: 'epochs',
  rank: 'r',
  per_device_train_batch_size: 'micro_batch_size',
  ref_model: 'reference',
  rejected_control_token: 'undesirable_control',
  vf_coef: 'critic_coef',
};

/** The one of `known` that `key` was probably meant to be: another program's name for it, or a few letters off. */
export function nearestKey(key: string, known: readonly string[]): string | undefined {
  const snakeCase = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`).replaceAll('-', '_');
  const trlName = Object.hasOwn(TRL_NAMES, snakeCase) ? TRL_NAMES[snakeCase] : undefined;
  if (trlName !== undefined && known.includes(trlName)) return trlName;
  if (snakeCase.length > 40) return undefined;
  const allowed = Math.max(1, Math.floor(snakeCase.length / 3));
  const [nearest] = known
    .map((candidate) => ({ candidate, distance: editDistance(snakeCase, candidate) }))
    .filter(({ distance }) => distance <= allowed)
    .sort((a, b) => a.distance - b.distance);
  return nearest?.candidate;
}

/** Letters inserted, left out, replaced or swapped with their neighbour between two words (optimal string alignment). */
function editDistance(from: string, to: string): number {
  const rows = [Array.from({ length: to.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = rows[i - 1]![j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      const swapped = isSwap ? rows[i - 2]![j - 2]! + 1 : Infinity;
      row.push(Math.min(replaced, swapped, rows[i - 1]![j]! + 1, row[j - 1]! + 1));
    }
    rows.push(row);
  }
  return rows[from.length]![to.length]!;
}
