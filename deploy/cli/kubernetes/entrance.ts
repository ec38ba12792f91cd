import { credentials, type ChannelCredentials } from '@grpc/grpc-js';
import { z } from 'zod';
import { ApiError } from '../../../coordinator/launch/kubernetes/api-error.js';
import type { KubernetesApi, Resource } from '../../../coordinator/launch/kubernetes/kubernetes-api.js';
import { ConfigError, messageOf, RunError } from '../../../lib/errors.js';

/** The chart's notes on its Service. */
const PLAINTEXT = 'prospect.dev/plaintext';
const SERVER_NAME = 'prospect.dev/server-name';
const CERTIFICATE_SECRET = 'prospect.dev/certificate-secret';

/** Ports of the coordinator's container: for whoever has a certificate, and for whoever has a token. */
const ports = { certificate: 7070, token: 7443 } as const;

/** How a user says who he is. */
export interface GivenIdentity {
  readonly by: keyof typeof ports;
  readonly credentials: ChannelCredentials;
}

/** Where and how a release's coordinator is spoken to. */
export interface Entrance {
  readonly port: number;
  readonly credentials: ChannelCredentials;
  /** The name in its certificate; null for plain text. */
  readonly serverName: string | null;
}

const secrets: Resource = { group: '', version: 'v1', plural: 'secrets' };

const secretSchema = z.looseObject({
  data: z.looseObject({ 'ca.crt': z.base64(), 'tls.crt': z.base64(), 'tls.key': z.base64() }),
});

/**
 * @param notes annotations of the release's Service
 * @param given null to come in with the certificate that the release keeps for those who may read its Secrets
 * @throws ConfigError where nothing lets the user in
 */
export async function entranceOf(
  notes: Readonly<Record<string, string>>,
  release: string,
  given: GivenIdentity | null,
  api: KubernetesApi,
): Promise<Entrance> {
  if (notes[PLAINTEXT] === 'true') {
    if (given === null)
      return { port: ports.certificate, credentials: credentials.createInsecure(), serverName: null };
    throw new ConfigError(`release ${release} speaks plain text: it takes neither certificate nor token`);
  }
  const serverName = notes[SERVER_NAME];
  if (serverName === undefined)
    throw new ConfigError(`the Service of release ${release} lacks ${SERVER_NAME}: upgrade its chart`);
  if (given !== null) return { port: ports[given.by], credentials: given.credentials, serverName };
  const name = notes[CERTIFICATE_SECRET];
  if (name === undefined) throw new ConfigError(`release ${release} keeps no certificate for you: ${advice}`);
  return { port: ports.certificate, credentials: await readCertificate(api, name), serverName };
}

const advice = 'give --tls-ca with --token-file, or with --tls-cert and --tls-key';

async function readCertificate(api: KubernetesApi, name: string): Promise<ChannelCredentials> {
  let secret: unknown;
  try {
    secret = await api.get(secrets, name);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.isTransient)
      throw new RunError(`Kubernetes' API server does not show Secret ${name}: ${error.message}`);
    throw new ConfigError(`you may not read Secret ${name} (${error.message}): ${advice}`);
  }
  const found = secretSchema.safeParse(secret);
  if (!found.success) throw new ConfigError(`Secret ${name} holds no certificate: ${found.error.message}`);
  const { data } = found.data;
  const pem = (base64: string) => Buffer.from(base64, 'base64');
  try {
    return credentials.createSsl(pem(data['ca.crt']), pem(data['tls.key']), pem(data['tls.crt']));
  } catch (error) {
    throw new ConfigError(`Secret ${name} holds no certificate that can be used: ${messageOf(error)}`);
  }
}
