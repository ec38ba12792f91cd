import { ConfigError } from '../../lib/errors.js';
import type { Rate } from './rate-limit.js';
import { readTlsFlags, tlsFlags, type TlsFiles } from '../../lib/security/tls-files.js';

/** How the gRPC services are protected. */
export interface SecurityOptions {
  readonly tls: TlsFiles;
  /** Certificates of `<role>.<identity domain>` are known. */
  readonly identityDomain: string;
  /** For people with tokens, without certificates; null for nowhere. */
  readonly tokens: TokenOptions | null;
  /** Whether workers are started on this machine: they come in plain text, on a port of loopback that serves them alone. */
  readonly localWorkers: boolean;
  /** From one look at the files whether they have changed to the next; default 5 s. */
  readonly lookIntervalMs?: number;
  /** Calls of one caller at one address; by default as `limits.ts` says. */
  readonly callRate?: Rate;
}

export interface TokenOptions {
  /** `host:port`. */
  readonly listen: string;
  /** JSON: see Tokens. */
  readonly file: string;
}

const text = { type: 'string' } as const;

/** For `parseArgs`. */
export const securityFlags = {
  ...tlsFlags,
  'identity-domain': text,
  'token-listen': text,
  tokens: text,
} as const;

export type SecurityFlags = { readonly [flag in keyof typeof securityFlags]?: string | undefined };

/** What the flags say; null for plain text. @throws ConfigError where they do not go together */
export function readSecurity(
  flags: SecurityFlags,
  { localWorkers }: Pick<SecurityOptions, 'localWorkers'>,
): SecurityOptions | null {
  const tls = readTlsFlags(flags);
  const { 'identity-domain': identityDomain, 'token-listen': listen, tokens: file } = flags;
  if (tls === null) {
    const without = (['identity-domain', 'token-listen', 'tokens'] as const).find((flag) => flags[flag]);
    if (without === undefined) return null;
    throw new ConfigError(`--${without} needs --tls-ca, --tls-cert and --tls-key`);
  }
  if (identityDomain === undefined || !/^[a-z0-9-]+(\.[a-z0-9-]+)*$/i.test(identityDomain))
    throw new ConfigError(
      '--tls-cert needs --identity-domain, a DNS name such as prospect.default.svc: ' +
        'certificates of worker, submit and read under it are known',
    );
  if ((listen === undefined) !== (file === undefined))
    throw new ConfigError('--token-listen and --tokens go together: give both, or none');
  const tokens = listen === undefined || file === undefined ? null : { listen, file };
  return { tls, identityDomain, tokens, localWorkers };
}
