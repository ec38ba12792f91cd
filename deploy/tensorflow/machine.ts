import { readdir, statfs } from 'node:fs/promises';

import { ConfigError } from '../../lib/errors.js';
import { runCommand, type Environment } from './command.js';
import { builds, type Build } from './pins.js';

/** The CUDA build where there is an NVIDIA GPU, else the CPU build; `PROSPECT_TENSORFLOW` overrides. */
export async function chooseBuild(env: Environment): Promise<Build> {
  const chosen = env['PROSPECT_TENSORFLOW'];
  if (!chosen) return (await hasNvidiaGpu(env)) ? builds.cuda : builds.cpu;
  if (chosen === 'cpu' || chosen === 'cuda') return builds[chosen];
  throw new ConfigError(`PROSPECT_TENSORFLOW is '${chosen}'; it must be cpu or cuda`);
}

/** Device nodes first: asking the driver can take seconds, and only WSL has GPUs without such nodes. */
export async function hasNvidiaGpu(env: Environment): Promise<boolean> {
  if ((await readdir('/dev')).some((name) => /^nvidia\d+$/.test(name))) return true;
  const listing = await runCommand('nvidia-smi', ['-L'], env);
  return listing.exitCode === 0 && /^GPU \d+:/m.test(listing.stdout);
}

/** @throws ConfigError unless this is Linux with glibc on x86-64, for which the pinned wheels are built. */
export function requireSupportedPlatform(platform: string = platformOfThisProcess()): void {
  if (platform === 'linux-x64-glibc') return;
  throw new ConfigError(
    `TensorFlow's set-up supports Linux with glibc on x86-64 only; this is ${platform}: use such a machine or container`,
  );
}

function platformOfThisProcess(): string {
  const platform = `${process.platform}-${process.arch}`;
  if (process.platform !== 'linux') return platform;
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined ? `${platform}-musl` : `${platform}-glibc`;
}

/** @throws ConfigError if the disk that holds `directory` has less than `bytes` free. */
export async function requireDiskSpace(directory: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const free = bavail * bsize;
  if (free >= bytes) return;
  throw new ConfigError(
    `TensorFlow's set-up needs ${gigabytes(bytes)} GB in ${directory}, which has ${gigabytes(free)} GB free; ` +
      `free some or set PROSPECT_CACHE to a folder on another disk`,
  );
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(1);
}
