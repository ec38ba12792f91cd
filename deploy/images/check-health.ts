/**
 * Asks a gRPC server whether it serves; what `helm test` runs:
 *
 *     node dist/deploy/images/check-health.js --address HOST:PORT [--tls-ca FILE --tls-cert FILE --tls-key FILE]
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { credentials, type ChannelCredentials } from '@grpc/grpc-js';
import { ConfigError, ExitCode, messageOf, RunError } from '../../lib/errors.js';
import { servingStatus } from '../../proto/health.js';

const DEADLINE_MS = 15_000;

interface Options {
  readonly address: string;
  readonly credentials: ChannelCredentials;
}

function readOptions(): Options {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: { address: text, 'tls-ca': text, 'tls-cert': text, 'tls-key': text },
  });
  const { address, 'tls-ca': ca, 'tls-cert': certificate, 'tls-key': key } = values;
  if (address === undefined) throw new ConfigError('--address is missing');
  if (ca === undefined && certificate === undefined && key === undefined)
    return { address, credentials: credentials.createInsecure() };
  if (ca === undefined || certificate === undefined || key === undefined)
    throw new ConfigError('--tls-ca, --tls-cert and --tls-key go together');
  return {
    address,
    credentials: credentials.createSsl(readFileSync(ca), readFileSync(key), readFileSync(certificate)),
  };
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
