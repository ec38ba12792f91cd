import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';

import { loadTensorFlow } from './load.js';

/** What decides the bits of a result besides config and data: workers of one run must have equal ones. */
export interface Fingerprint {
  readonly tensorflowVersion: string;
  /** The GPU's model, or the instruction sets of the CPU that TensorFlow's kernels choose by. */
  readonly device: string;
  readonly threads: number;
}

const CPU_INSTRUCTION_SETS =
  /^(sse4_2|avx|avx2|fma|avx512.*|avx_vnni.*|avx_ne_convert|avx10.*|amx_.*|asimd.*|sve.*|bf16|i8mm)$/;
const NVIDIA_GPUS = '/proc/driver/nvidia/gpus';

/**
 * Sets what TensorFlow's native code reads from the process's environment when it is first loaded: the threads of its
 * matrix products (another number gives other bits), deterministic kernels, oneDNN's on CPUs, which TensorFlow takes on some
 * by itself (a training step takes four fifths of the time, and other bits), and quiet logs unless asked otherwise.
 *
 * @throws Error in a worker_thread, whose `process.env` is a copy that native code never sees.
 */
export function configureThreads(threads: number): void {
  if (!isMainThread)
    throw new Error('TensorFlow is configured on the main thread, before any thread loads it');
  process.env['TF_NUM_INTRAOP_THREADS'] = String(threads);
  process.env['TF_NUM_INTEROP_THREADS'] = '1';
  process.env['TF_DETERMINISTIC_OPS'] = '1';
  process.env['TF_ENABLE_ONEDNN_OPTS'] = '1';
  process.env['TF_FORCE_GPU_ALLOW_GROWTH'] = 'true';
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
}

export function readFingerprint(threads: number): Fingerprint {
  const binding = loadTensorFlow();
  return {
    tensorflowVersion: binding.TF_Version.trim(),
    device: binding.isUsingGpuDevice() ? gpuModel() : `CPU with oneDNN ${cpuInstructionSets().join(' ')}`,
    threads,
  };
}

function cpuInstructionSets(): string[] {
  const [, flags = ''] = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8')) ?? [];
  return flags
    .trim()
    .split(/\s+/)
    .filter((flag) => CPU_INSTRUCTION_SETS.test(flag))
    .sort();
}

/** By the driver's own listing. GPUs of one node that differ are not told apart. */
function gpuModel(): string {
  const [first = ''] = readdirSync(NVIDIA_GPUS).sort();
  const [, model = 'unknown model'] =
    /^Model:\s*(.+)$/m.exec(readFileSync(join(NVIDIA_GPUS, first, 'information'), 'utf8')) ?? [];
  return `GPU ${model.trim()}`;
}
