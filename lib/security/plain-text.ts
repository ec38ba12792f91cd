import { ConfigError } from '../errors.js';
import { isLoopback } from '../loopback.js';
import { parseListen } from '../listen.js';

/**
 * What travels in plain text can be read and changed on its way: only on this machine, or where the operator says that
 * everyone on the network is trusted.
 * @param flag that says `address`, which is `host:port`
 * @throws ConfigError
 */
export function requireProtected(flag: string, address: string, env: NodeJS.ProcessEnv): void {
  if (isLoopback(parseListen(address).host) || env['PROSPECT_ALLOW_PLAINTEXT'] === 'true') return;
  throw new ConfigError(
    `${flag} ${address}: other machines take part, and nothing would be encrypted: give --tls-ca, --tls-cert and ` +
      '--tls-key, or set PROSPECT_ALLOW_PLAINTEXT=true where everyone on the network is trusted',
  );
}
