import { createServer, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import { messageOf } from '../../lib/errors.js';
import { formatAddress, type ListenAddress } from '../listen.js';

export interface HttpEndpoint {
  /** `host:port`. */
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Serves `/metrics` (Prometheus), `/healthz` (the process answers) and `/readyz` (it takes runs).
 * Rejects where the address cannot be listened on.
 */
export async function serveHttp(
  { host, port }: ListenAddress,
  registry: Registry,
  isReady: () => boolean,
): Promise<HttpEndpoint> {
  const answers: Record<string, (response: ServerResponse) => Promise<void> | void> = {
    '/metrics': async (response) => {
      const text = await registry.metrics();
      response.writeHead(200, { 'content-type': registry.contentType }).end(text);
    },
    '/healthz': (response) => plain(response, 200, 'ok'),
    '/readyz': (response) => (isReady() ? plain(response, 200, 'ready') : plain(response, 503, 'not ready')),
  };
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0] ?? '';
    const answer = answers[path] ?? ((response) => plain(response, 404, 'not found'));
    Promise.resolve(answer(response)).catch((error: unknown) => plain(response, 500, messageOf(error)));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const address = server.address();
  const boundPort = typeof address === 'object' && address !== null ? address.port : port;
  return {
    address: formatAddress({ host, port: boundPort }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}
