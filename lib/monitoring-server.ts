import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConfigError } from './errors.js';

export interface Monitored {
  /** Prometheus text. */
  metrics(): Promise<string>;
  /** Whether this process can do its work now (`/readyz`); that it answers at all is `/healthz`. */
  ready(): boolean;
}

const unknownPath: RequestListener = (_, response) =>
  response
    .writeHead(404, { 'content-type': 'text/plain; charset=utf-8' })
    .end('try /metrics, /healthz or /readyz\n');

/** Serves `/metrics`, `/healthz` and `/readyz` over HTTP. */
export class MonitoringServer {
  private constructor(
    private readonly server: Server,
    /** host:port that it listens on. */
    readonly address: string,
  ) {}

  /**
   * @param listen host:port; port 0 for any free one
   * @param others answers GET requests for all other paths
   */
  static async start(
    listen: string,
    monitored: Monitored,
    others: RequestListener = unknownPath,
  ): Promise<MonitoringServer> {
    const { host, port } = parseListen(listen);
    const server = createServer((request, response) => {
      const send = (code: number, text: string) =>
        response.writeHead(code, { 'content-type': 'text/plain; charset=utf-8' }).end(text);
      if (request.method !== 'GET') send(405, 'only GET\n');
      else if (request.url === '/healthz') send(200, 'ok\n');
      else if (request.url === '/readyz') send(...readiness(monitored.ready()));
      else if (request.url === '/metrics')
        monitored.metrics().then(
          (text) => send(200, text),
          (error: unknown) => send(500, String(error)),
        );
      else others(request, response);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) =>
        reject(new ConfigError(`cannot listen on ${listen}: ${error.message}`)),
      );
      server.listen(port, host, resolve);
    });
    const bound = server.address() as AddressInfo;
    return new MonitoringServer(server, `${host}:${bound.port}`);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

function readiness(ready: boolean): [number, string] {
  return ready ? [200, 'ready\n'] : [503, 'not ready\n'];
}

/** Splits host:port. @throws ConfigError */
export function parseListen(listen: string): { readonly host: string; readonly port: number } {
  const colon = listen.lastIndexOf(':');
  const port = Number(listen.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port) || port < 0 || port > 65535) {
    throw new ConfigError(`"${listen}" is not host:port, e.g. 127.0.0.1:9464`);
  }
  return { host: listen.slice(0, colon), port };
}
