import { createSecureContext } from 'node:tls';
import { credentials, Metadata, type ChannelCredentials } from '@grpc/grpc-js';
import { ConfigError, messageOf } from '../../../lib/errors.js';
import { readGiven } from '../../../lib/security/tls-files.js';
import type { GivenIdentity } from '../kubernetes/entrance.js';

export const TOKEN_VARIABLE = 'PROSPECT_TOKEN';

/** What a user gives to reach a coordinator that is protected. */
export interface Access {
  /** The address was written as `https://HOST:PORT`. */
  readonly https: boolean;
  /** Files. */
  readonly tlsCa?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly tokenFile?: string | undefined;
}

/**
 * Plain text where nothing asks for TLS. A token is sent over TLS only.
 * @throws ConfigError where what is given does not go together, or cannot be read
 */
export function credentialsOf(access: Access, env: NodeJS.ProcessEnv): ChannelCredentials {
  const { https, tlsCa, tlsCert, tlsKey, tokenFile } = access;
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw new ConfigError('--tls-cert and --tls-key go together: give both, or none');
  if (!https && tlsCa === undefined && tlsCert === undefined) {
    if (tokenFile === undefined) return credentials.createInsecure();
    throw new ConfigError(
      'a token is sent over TLS only: give --tls-ca, or the coordinator as https://HOST:PORT',
    );
  }
  const channel = tlsCredentials(tlsCa, tlsCert, tlsKey);
  const token = tokenFile === undefined ? tokenOf(env) : readToken(tokenFile);
  if (token === null) return channel;
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  const call = credentials.createFromMetadataGenerator((_, callback) => callback(null, metadata));
  return credentials.combineChannelCredentials(channel, call);
}

/**
 * What of it says who the user is, for a coordinator that speaks TLS; null for nothing.
 * @throws ConfigError where what is given does not go together, or cannot be read
 */
export function identityOf(access: Omit<Access, 'https'>, env: NodeJS.ProcessEnv): GivenIdentity | null {
  const { tlsCa, tlsCert, tlsKey, tokenFile } = access;
  const hasCertificate = tlsCert !== undefined || tlsKey !== undefined;
  const hasToken = tokenFile !== undefined || tokenOf(env) !== null;
  if (hasCertificate || hasToken) {
    const by = hasCertificate ? 'certificate' : 'token';
    return { by, credentials: credentialsOf({ ...access, https: true }, env) };
  }
  if (tlsCa === undefined) return null;
  throw new ConfigError(
    '--tls-ca says who the coordinator is, not who you are: give a certificate or a token',
  );
}

function tlsCredentials(ca?: string, cert?: string, key?: string): ChannelCredentials {
  const files = {
    ca: ca === undefined ? null : readGiven(ca, '--tls-ca'),
    cert: cert === undefined ? null : readGiven(cert, '--tls-cert'),
    key: key === undefined ? null : readGiven(key, '--tls-key'),
  };
  try {
    createSecureContext(Object.fromEntries(Object.entries(files).filter(([, pem]) => pem !== null)));
  } catch (error) {
    throw new ConfigError(`what --tls-ca, --tls-cert and --tls-key name cannot be used: ${messageOf(error)}`);
  }
  return credentials.createSsl(files.ca, files.key, files.cert);
}

function tokenOf(env: NodeJS.ProcessEnv): string | null {
  const token = env[TOKEN_VARIABLE];
  return token === undefined || token === '' ? null : requireToken(token, TOKEN_VARIABLE);
}

function readToken(file: string): string {
  return requireToken(readGiven(file, '--token-file').toString('utf8').trim(), `--token-file ${file}`);
}

/** As a header can carry it. */
function requireToken(token: string, where: string): string {
  if (/^[!-~]{1,512}$/.test(token)) return token;
  throw new ConfigError(`${where} holds no token: a token is letters, digits and signs without a space`);
}
