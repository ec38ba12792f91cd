/**
 * Asks a gRPC server whether it serves; what `helm test` runs:
 *
 *     node dist/deploy/images/check-health.js --address HOST:PORT [--tls-ca FILE --tls-cert FILE --tls-key FILE]
 */
import { parseArgs } from 'node:util';
import type { ChannelCredentials } from '@grpc/grpc-js';
import { ConfigError, ExitCode, messageOf, RunError } from '../../lib/errors.js';
import { channelCredentials } from '../../lib/security/channel-credentials.js';
import { readTlsFlags, tlsFlags } from '../../lib/security/tls-files.js';
import { servingStatus } from '../../proto/health.js';

const DEADLINE_MS = 15_000;

interface Options {
  readonly address: string;
  readonly credentials: ChannelCredentials;
}

function readOptions(): Options {
  const { values } = parseArgs({ options: { address: { type: 'string' }, ...tlsFlags } });
  const { address } = values;
  if (address === undefined) throw new ConfigError('--address is missing');
  return { address, credentials: channelCredentials(readTlsFlags(values)) };
}

/** @throws RunError unless the server answers in time that it serves. */
async function checkHealth({ address, credentials }: Options): Promise<void> {
  const status = await servingStatus(address, credentials, DEADLINE_MS).catch((error: unknown) => {
    throw new RunError(`${address} does not answer: ${messageOf(error)}`);
  });
  if (status !== 'SERVING') throw new RunError(`${address} answers that it is ${status ?? 'in no state'}`);
  console.log(`${address} is serving`);
}

try {
  await checkHealth(readOptions());
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = error instanceof RunError ? ExitCode.failed : ExitCode.badInput;
}
