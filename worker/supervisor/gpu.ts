import { ConfigError } from '../../lib/errors.js';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What shows each worker of the node the GPU that is its own, by slot; nothing where workers train on the CPU. A pod that
 * is given only some of a machine's GPUs sees them as the first ones, or is told which they are.
 *
 * @throws ConfigError where there are fewer GPUs than workers
 */
export function gpuEnvironments(workers: number, env: Environment): Readonly<Record<string, string>>[] {
  const slots = Array.from({ length: workers }, (_, slot) => String(slot));
  if (env['PROSPECT_TENSORFLOW'] !== 'cuda') return slots.map(() => ({}));
  const devices = env['CUDA_VISIBLE_DEVICES'] ? env['CUDA_VISIBLE_DEVICES'].split(',') : slots;
  if (devices.length < workers) {
    throw new ConfigError(
      `supervisor: CUDA_VISIBLE_DEVICES names ${devices.length} GPUs for ${workers} workers`,
    );
  }
  return slots.map((_, slot) => ({ CUDA_VISIBLE_DEVICES: devices[slot]! }));
}
