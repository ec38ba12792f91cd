import { credentials, type ChannelCredentials } from '@grpc/grpc-js';
import { readTls, type TlsFiles } from './tls-files.js';

/**
 * How a process of a run calls another one: with the files as they are now, or in plain text where there are none.
 * @throws ConfigError where the files cannot be used
 */
export function channelCredentials(files: TlsFiles | null): ChannelCredentials {
  if (files === null) return credentials.createInsecure();
  const { ca, cert, key } = readTls(files);
  return credentials.createSsl(ca, key, cert);
}
