import { createServer, type RequestListener, type Server } from 'node:http';
import { listenOn } from './listen.js';

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
    return new MonitoringServer(server, await listenOn(server, listen));
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

function readiness(ready: boolean): [number, string] {
  return ready ? [200, 'ready\n'] : [503, 'not ready\n'];
}
