import { availableParallelism, cpus } from 'node:os';
import { fileURLToPath } from 'node:url';

import { z } from 'zod';

import { ConfigError, RunError } from '../../lib/errors.js';
import { reasonOf, runCommand, type Environment } from './command.js';
import { hasNvidiaGpu } from './machine.js';
import { tensorFlowVersion, type Build } from './pins.js';

const probePath = fileURLToPath(new URL('../../worker/tensorflow/probe.js', import.meta.url));

const probeReport = z.object({
  version: z.string(),
  device: z.enum(['cpu', 'cuda']),
  gigaflopsPerSecond: z.number().positive(),
});

/**
 * Loads the linked library in a process of its own and multiplies matrices with it.
 * @returns one line: version, device and speed.
 * @throws ConfigError if it cannot be loaded, is another version, or does not see the GPU that the machine has.
 */
export async function checkTensorFlow(build: Build, packageRoot: string, env: Environment): Promise<string> {
  const probed = await probe(packageRoot, env);
  const gpuIsMissing = build.device === 'cuda' && probed.report.device === 'cpu';
  if (gpuIsMissing && (await hasNvidiaGpu(env)))
    throw new ConfigError(
      `TensorFlow registers no GPU although this machine has one: ${gpuReason(probed.log)}`,
    );
  return describe(probed, gpuIsMissing ? ' (CUDA build; no NVIDIA GPU on this machine)' : '');
}

/**
 * The same where only a GPU will do.
 * @throws ConfigError also if the machine has none.
 */
export async function requireGpu(packageRoot: string, env: Environment): Promise<string> {
  const probed = await probe(packageRoot, env);
  if (probed.report.device === 'cpu')
    throw new ConfigError(
      `TensorFlow registers no GPU, and this image does not train on the CPU: ${gpuReason(probed.log)}; ` +
        `give the container a GPU (docker run --gpus all, nvidia.com/gpu in Kubernetes) or use the cpu image`,
    );
  return describe(probed, '');
}

interface Probed {
  readonly report: z.infer<typeof probeReport>;
  /** What the library logged. */
  readonly log: string;
}

async function probe(packageRoot: string, env: Environment): Promise<Probed> {
  const finished = await runCommand(process.execPath, [probePath, packageRoot], {
    ...env,
    TF_CPP_MIN_LOG_LEVEL: '0',
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
    TF_ENABLE_ONEDNN_OPTS: '1',
  });
  if (finished.exitCode !== 0) throw new ConfigError(`TensorFlow cannot be loaded: ${reasonOf(finished)}`);
  const report = parseReport(finished.stdout);
  if (report.version !== tensorFlowVersion)
    throw new ConfigError(`TensorFlow is version ${report.version} in place of ${tensorFlowVersion}`);
  return { report, log: finished.stderr };
}

function describe({ report, log }: Probed, note: string): string {
  const device = report.device === 'cuda' ? gpuName(log) : cpuName();
  return `TensorFlow ${report.version} on ${device}${note}: ${report.gigaflopsPerSecond.toFixed(0)} GFLOP/s`;
}

function parseReport(stdout: string): z.infer<typeof probeReport> {
  try {
    return probeReport.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''));
  } catch {
    throw new RunError(`TensorFlow's check printed no report but ${JSON.stringify(stdout.slice(0, 200))}`);
  }
}

function cpuName(): string {
  return `CPU ${cpus()[0]?.model.trim() ?? 'of unknown model'} (${availableParallelism()} threads)`;
}

/** From what the library logs when it makes its device. */
function gpuName(stderr: string): string {
  return `GPU ${/name: (.+?), pci bus id/.exec(stderr)?.[1] ?? 'of unknown model'}`;
}

/** What the library logged about the first thing that kept it from the GPU. */
function gpuReason(stderr: string): string {
  const line = stderr.split('\n').find((text) => /cuInit|CUDA_ERROR|dlopen|Cannot|libcuda/i.test(text));
  return line?.replace(/^.*?\] /, '').trim() ?? 'it logged no reason; is the NVIDIA driver 525 or newer?';
}
