import { rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ConfigError, ExitCode, messageOf } from '../../lib/errors.js';
import { createLogger } from '../../lib/log.js';
import { announceFailure, announceReady, exitWithParent } from '../../lib/process/lifeline.js';
import { EngineThread } from '../compute/engine-thread.js';
import { describeModel } from '../model/description.js';
import { configureThreads } from '../tensorflow/environment.js';
import type { OpenReference, ReferenceEngine } from './reference-engine.js';
import { serveReference } from './server.js';

interface ReplicaOptions {
  readonly model: string;
  readonly adapter: string | null;
  readonly socket: string;
  readonly threads: number;
}

function readOptions(): ReplicaOptions {
  const { values } = parseArgs({
    options: {
      model: { type: 'string' },
      adapter: { type: 'string' },
      socket: { type: 'string' },
      threads: { type: 'string' },
    },
  });
  const { model, socket } = values;
  const threads = Number(values.threads);
  if (model === undefined || socket === undefined || !Number.isInteger(threads) || threads < 1) {
    throw new ConfigError('reference: needs --model DIR --socket PATH --threads N');
  }
  return { model, adapter: values.adapter ?? null, socket, threads };
}

/** Loads the model, then serves until a signal. */
async function main({ model, adapter, socket, threads }: ReplicaOptions): Promise<void> {
  configureThreads(threads);
  const { config } = describeModel(model);
  const engine = new EngineThread<OpenReference, ReferenceEngine>(
    new URL('./reference-thread.js', import.meta.url),
  );
  await engine.open({ modelDir: model, adapterDir: adapter });
  const server = await serveReference(socket, engine, config.vocabSize);
  const end = async (): Promise<void> => {
    server.forceShutdown();
    rmSync(socket, { force: true });
    await engine.terminate();
  };
  exitWithParent(end);
  const onSignal = () => void end().then(() => process.exit(ExitCode.done));
  process.once('SIGTERM', onSignal).once('SIGINT', onSignal);
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
