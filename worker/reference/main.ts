import { rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { ReferenceModel } from '../../lib/config/reference-model.js';
import { ConfigError, ExitCode, messageOf } from '../../lib/errors.js';
import { createLogger } from '../../lib/log.js';
import { announceFailure, announceReady, exitWithParent } from '../../lib/process/lifeline.js';
import { EngineThread } from '../compute/engine-thread.js';
import { configureThreads, readFingerprint, type Fingerprint } from '../tensorflow/environment.js';
import { tensorFlowBuild } from '../tensorflow/load.js';
import { answersDirectory } from './cache/directory.js';
import { identityOf } from './cache/identity.js';
import { ReferenceCache } from './cache/reference-cache.js';
import { SharedFiles } from './cache/shared-files.js';
import { followReferenceFile } from './follow.js';
import type { ReferenceEngine } from './reference-engine.js';
import { ServedModel } from './served-model.js';
import { serveReference } from './server.js';

interface ReplicaOptions {
  /** The model to serve, or the file that names it, and another one later (reference-file.ts). */
  readonly source: { readonly model: ReferenceModel } | { readonly file: string };
  readonly socket: string;
  readonly threads: number;
  /** Keep answers on disk, and take them from there. */
  readonly cached: boolean;
}

const USAGE = 'reference: needs --model DIR [--adapter DIR] or --follow FILE, --socket PATH and --threads N';

function readOptions(): ReplicaOptions {
  const { values } = parseArgs({
    options: {
      model: { type: 'string' },
      adapter: { type: 'string' },
      follow: { type: 'string' },
      socket: { type: 'string' },
      threads: { type: 'string' },
      'no-cache': { type: 'boolean', default: false },
    },
  });
  const { model, adapter, follow, socket } = values;
  const threads = Number(values.threads);
  const source = sourceOf(model, adapter ?? null, follow);
  if (source === null || socket === undefined || !Number.isInteger(threads) || threads < 1) {
    throw new ConfigError(USAGE);
  }
  return { source, socket, threads, cached: !values['no-cache'] };
}

function sourceOf(
  modelDir: string | undefined,
  adapterDir: string | null,
  file: string | undefined,
): ReplicaOptions['source'] | null {
  if (file === undefined) return modelDir === undefined ? null : { model: { modelDir, adapterDir } };
  return modelDir === undefined && adapterDir === null ? { file } : null;
}

/** The cache of this model on this machine; its files are hashed while the model is loaded. */
function openCache(model: ReferenceModel, fingerprint: Fingerprint): ReferenceCache {
  const files = new SharedFiles(answersDirectory(process.env), log);
  const identity = identityOf(model, { fingerprint, build: tensorFlowBuild() }, files);
  return new ReferenceCache(files, identity, log);
}

/** Serves until a signal; from the start, so that whoever watches it sees that it lives while a model is loaded. */
async function main({ source, socket, threads, cached }: ReplicaOptions): Promise<void> {
  configureThreads(threads);
  const fingerprint = readFingerprint(threads);
  const engine = new EngineThread<ReferenceModel, ReferenceEngine>(
    new URL('./reference-thread.js', import.meta.url),
  );
  const served = new ServedModel(engine, (model) => (cached ? openCache(model, fingerprint) : null));
  const server = await serveReference(socket, served);
  const ending = new AbortController();
  const end = async (): Promise<void> => {
    ending.abort();
    server.forceShutdown();
    rmSync(socket, { force: true });
    await served.close();
    await engine.terminate();
  };
  exitWithParent(end);
  const onSignal = () => void end().then(() => process.exit(ExitCode.done));
  process.once('SIGTERM', onSignal).once('SIGINT', onSignal);
  void engine.end.then((reason) => {
    if (ending.signal.aborted) return;
    log.fatal({ err: reason }, reason.message);
    process.exit(ExitCode.failed);
  });
  try {
    if ('model' in source) await serveOne(source.model, served, socket);
    else await serveFollowing(source.file, served, socket, ending.signal);
  } catch (error) {
    // A signal that comes while a model is loaded ends the process in its own way.
    if (ending.signal.aborted) return;
    await end();
    throw error;
  }
}

async function serveOne(model: ReferenceModel, served: ServedModel, socket: string): Promise<void> {
  await served.change(model);
  announceReady({ address: socket });
  log.info({ ...model, socket }, 'serving');
}

/** One model after the other. One that cannot be loaded is the business of those who ask for it: they are told. */
async function serveFollowing(
  file: string,
  served: ServedModel,
  socket: string,
  signal: AbortSignal,
): Promise<void> {
  announceReady({ address: socket });
  log.info({ file, socket }, 'waiting for a model to be named');
  for await (const model of followReferenceFile(file, signal)) {
    try {
      await served.change(model);
      log.info({ ...model, socket }, 'serving');
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      log.error({ ...model }, messageOf(error));
    }
  }
}

const log = createLogger('reference');
try {
  await main(readOptions());
} catch (error) {
  log.error({ err: error }, messageOf(error));
  await announceFailure(error);
  process.exit(error instanceof ConfigError ? ExitCode.badInput : ExitCode.failed);
}
