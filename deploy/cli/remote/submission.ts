import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { runSources } from '../../../coordinator/sources/run-sources.js';
import { loadRunFile } from '../../../lib/config/load.js';
import { renderRunFile } from '../../../lib/config/render.js';
import type { RunConfig } from '../../../lib/config/types.js';
import { ConfigError } from '../../../lib/errors.js';
import { isLoopback } from '../../../lib/loopback.js';
import { parseListen } from '../../../lib/listen.js';
import type { v1 } from '../../../proto/services.js';
import { checkRun } from '../check/check.js';
import { printable } from '../output/printable.js';
import type { Output } from '../output/terminal.js';
import { TransferDisplay } from '../progress/transfer.js';
import type { Coordinator } from './coordinator.js';
import { hashFile, listInputs, type HashedFile, type Input } from './inputs.js';
import { announcerOf, Patience } from './patience.js';
import { heldBytes, planUploads, type Upload } from './upload.js';

export interface SubmitOptions {
  readonly runFile: string;
  /** `key=value`, applied over the run file in order. */
  readonly overrides: readonly string[];
  /** Null for the run file's. */
  readonly name: string | null;
  readonly skipBadRows: boolean;
  /** Read all data first, as `prospect check` does. */
  readonly check: boolean;
}

/** A run that is ready to be sent. */
export interface Submission {
  readonly name: string;
  readonly config: RunConfig;
  readonly skipBadRows: boolean;
  readonly inputs: readonly Input[];
  /** By the path of a file. */
  readonly hashed: ReadonlyMap<string, HashedFile>;
  /** Every content once. */
  readonly uploads: readonly Upload[];
}

/**
 * All that can be done before a byte is sent: the run is checked, its files are hashed, and the coordinator is asked what
 * it holds of them.
 * @throws ConfigError with a line for each thing that is wrong
 */
export async function prepareSubmission(
  options: SubmitOptions,
  coordinator: Coordinator,
  err: Output,
  signal: AbortSignal,
): Promise<Submission> {
  const { runFile, overrides, name, skipBadRows } = options;
  const { about, client } = coordinator;
  const config = loadRunFile(runFile, { set: overrides, cores: availableParallelism() });
  requireWorkers(config, about);
  await check(options, config, coordinator, err);
  signal.throwIfAborted();
  const inputs = await listInputs(config, about.sharedRoots);
  const hashed = await hashInputs(inputs, err, signal);
  const patience = new Patience(coordinator, announcerOf(err), signal);
  const uploads = await patience.call(() => planUploads(client, [...hashed.values()], signal));
  return { name: name ?? nameOf(runFile), config, skipBadRows, inputs, hashed, uploads };
}

/** Asked before gigabytes are sent. @throws ConfigError */
function requireWorkers({ workers }: RunConfig, { maxWorkers }: v1.GetCoordinatorResponse): void {
  if (maxWorkers === 0 || workers <= maxWorkers) return;
  throw new ConfigError(
    `workers: the run wants ${workers}, and the coordinator has ${maxWorkers} in all: lower it`,
  );
}

async function check(
  options: SubmitOptions,
  config: RunConfig,
  coordinator: Coordinator,
  err: Output,
): Promise<void> {
  if (!options.check) return;
  const [source] = runSources(config);
  if (source === undefined) await requireSound(options, coordinator, err);
  else err.line(`not checked here: the coordinator fetches ${source.text}, and checks the run then`);
}

async function requireSound(options: SubmitOptions, { address }: Coordinator, err: Output): Promise<void> {
  const trainsHere = isLoopback(parseListen(address).host);
  const fetch = (run: RunConfig) => Promise.resolve(run);
  const { problems, warnings } = await checkRun({ ...options, trainsHere, fetch });
  for (const warning of warnings) err.line(`${err.style.yellow('warning:')} ${warning}`);
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
}

async function hashInputs(
  inputs: readonly Input[],
  err: Output,
  signal: AbortSignal,
): Promise<Map<string, HashedFile>> {
  const files = inputs.flatMap((input) => (input.kind === 'local' ? input.files : []));
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  const display = new TransferDisplay(err, 'reading', 0, totalBytes);
  const hashed = new Map<string, HashedFile>();
  let readBytes = 0;
  const onRead = (bytes: number) => display.update((readBytes += bytes));
  try {
    for (const file of files) hashed.set(file.path, await hashFile(file, onRead, signal));
  } finally {
    display.end();
  }
  return hashed;
}

/** `kto` for `runs/kto.yaml`: as long as the coordinator takes. */
function nameOf(runFile: string): string {
  return printable(basename(runFile).replace(/\.(ya?ml|json)$/, '')).slice(0, MAX_NAME_LENGTH);
}

export const MAX_NAME_LENGTH = 100;

/** What the coordinator is asked for once it holds the uploads. */
export function requestOf(submission: Submission): v1.SubmitRunRequest.$Properties {
  const { name, config, skipBadRows, inputs, hashed } = submission;
  const uploads = inputs.flatMap((input) => {
    if (input.kind !== 'local') return [];
    const files = input.files.map((file) => ({ name: file.name, sha256: hashed.get(file.path)!.sha256 }));
    return [{ path: input.path, files }];
  });
  return { name, runYaml: renderRunFile(config), skipBadRows, uploads };
}

/** Bytes of all contents, and those that are still to be sent. */
export function sizesOf({ uploads }: Submission): {
  readonly totalBytes: number;
  readonly sendBytes: number;
} {
  const totalBytes = uploads.reduce((sum, { file }) => sum + file.size, 0);
  return { totalBytes, sendBytes: totalBytes - heldBytes(uploads) };
}
