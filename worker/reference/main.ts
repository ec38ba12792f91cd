import { rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ConfigError, ExitCode, messageOf } from '../../lib/errors.js';
import { createLogger } from '../../lib/log.js';
import { announceFailure, announceReady, exitWithParent } from '../../lib/process/lifeline.js';
import { EngineThread } from '../compute/engine-thread.js';
import { describeModel } from '../model/description.js';
import { configureThreads, readFingerprint, type Fingerprint } from '../tensorflow/environment.js';
import { tensorFlowBuild } from '../tensorflow/load.js';
import { answersDirectory } from './cache/directory.js';
import { identityOf } from './cache/identity.js';
import { ReferenceCache } from './cache/reference-cache.js';
import { SharedFiles } from './cache/shared-files.js';
import type { OpenReference, ReferenceEngine } from './reference-engine.js';
import { serveReference } from './server.js';

interface ReplicaOptions {
  readonly model: string;
  readonly adapter: string | null;
  readonly socket: string;
  readonly threads: number;
  /** Keep answers on disk, and take them from there. */
  readonly cached: boolean;
}

function readOptions(): ReplicaOptions {
  const { values } = parseArgs({
    options: {
      model: { type: 'string' },
      adapter: { type: 'string' },
      socket: { type: 'string' },
      threads: { type: 'string' },
      'no-cache': { type: 'boolean', default: false },
    },
  });
  const { model, socket } = values;
  const threads = Number(values.threads);
  if (model === undefined || socket === undefined || !Number.isInteger(threads) || threads < 1) {
    throw new ConfigError('reference: needs --model DIR --socket PATH --threads N');
  }
  return { model, adapter: values.adapter ?? null, socket, threads, cached: !values['no-cache'] };
}

/** The cache of this model on this machine; its files are hashed while the model is loaded. */
function openCache(model: OpenReference, fingerprint: Fingerprint): ReferenceCache {
  const files = new SharedFiles(answersDirectory(process.env), log);
  const identity = identityOf(model, { fingerprint, build: tensorFlowBuild() }, files);
  return new ReferenceCache(files, identity, log);
}

/** Serves until a signal; from the start, so that whoever watches it sees that it lives while the model is loaded. */
async function main({ model, adapter, socket, threads, cached }: ReplicaOptions): Promise<void> {
  configureThreads(threads);
  const fingerprint = readFingerprint(threads);
  const open = { modelDir: model, adapterDir: adapter };
  const { vocabSize } = describeModel(model).config;
  const engine = new EngineThread<OpenReference, ReferenceEngine>(
    new URL('./reference-thread.js', import.meta.url),
  );
  const opened = engine.open(open);
  // Raised where it is awaited, below.
  opened.catch(() => undefined);
  const cache = cached ? openCache(open, fingerprint) : null;
  const server = await serveReference(socket, { engine, vocabSize, cache });
  let ending = false;
  const end = async (): Promise<void> => {
    ending = true;
    server.forceShutdown();
    rmSync(socket, { force: true });
    await cache?.close();
    await engine.terminate();
  };
  exitWithParent(end);
  const onSignal = () => void end().then(() => process.exit(ExitCode.done));
  process.once('SIGTERM', onSignal).once('SIGINT', onSignal);
  void engine.end.then((reason) => {
    if (ending) return;
    log.fatal({ err: reason }, reason.message);
    process.exit(ExitCode.failed);
  });
  try {
    await opened;
  } catch (error) {
    await end();
    throw error;
  }
  announceReady({ address: socket });
  log.info({ model, socket, threads }, 'serving');
}

const log = createLogger('reference');
try {
  await main(readOptions());
} catch (error) {
  log.error({ err: error }, messageOf(error));
  await announceFailure(error);
  process.exit(error instanceof ConfigError ? ExitCode.badInput : ExitCode.failed);
}
