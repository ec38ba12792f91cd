import { connect, createServer, type Server, type Socket } from 'node:net';
import { Transform, type TransformCallback } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

/** Passes connections on to an address, what is sent there no faster than so many bytes a second. */
export class SlowRelay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly address: string;

  private constructor(server: Server) {
    this.#server = server;
    const bound = server.address();
    if (bound === null || typeof bound === 'string') throw new Error('the relay has no port');
    this.address = `127.0.0.1:${bound.port}`;
  }

  /** @param target host:port */
  static async start(target: string, bytesPerSecond: number): Promise<SlowRelay> {
    const { hostname, port } = new URL(`http://${target}`);
    const server = createServer((socket) => {
      const onward = connect(Number(port), hostname);
      relay.#keep(socket);
      relay.#keep(onward);
      socket.pipe(throttle(bytesPerSecond)).pipe(onward).pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const relay = new SlowRelay(server);
    return relay;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** A connection that breaks is broken at both ends by what is at its ends. */
  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => this.#sockets.delete(socket));
  }
}

function throttle(bytesPerSecond: number): Transform {
  return new Transform({
    transform(bytes: Buffer, _encoding, done: TransformCallback) {
      void delay((1000 * bytes.length) / bytesPerSecond).then(() => done(null, bytes));
    },
  });
}
