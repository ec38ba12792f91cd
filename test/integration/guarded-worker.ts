/**
 * The worker's program as on a cluster, whatever its launcher says: over TLS to the coordinator, encrypted among one another,
 * with metrics. What that takes is in the file that PROSPECT_TEST_GUARD names.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TlsFiles } from '../../lib/security/tls-files.js';

export interface Guard {
  /** host:port of the coordinator. */
  readonly coordinator: string;
  readonly tls: TlsFiles;
  /** Each worker writes where its metrics are, host:port, into a file of its own there. */
  readonly metricsDir: string;
}

const { coordinator, tls, metricsDir } = JSON.parse(
  readFileSync(process.env['PROSPECT_TEST_GUARD']!, 'utf8'),
) as Guard;
const metrics = await freeAddress();
writeFileSync(join(metricsDir, `${process.pid}`), metrics);
process.argv.push(
  '--coordinator',
  coordinator,
  '--tls-ca',
  tls.ca,
  '--tls-cert',
  tls.cert,
  '--tls-key',
  tls.key,
);
process.argv.push('--collective-security', 'curve', '--metrics-listen', metrics);
// A stranger is refused soon.
process.argv.push('--collective-timeout-ms', '20000');
await import('../../worker/main.js');

function freeAddress(): Promise<string> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(`127.0.0.1:${port}`));
    });
  });
}
