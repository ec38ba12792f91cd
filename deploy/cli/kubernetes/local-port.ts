import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A port of this machine whose connections go elsewhere. */
export class LocalPort {
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  private constructor(join: (socket: Socket) => Promise<void>) {
    this.#server = createServer({ pauseOnConnect: true }, (socket) => {
      this.#open.add(socket);
      socket.on('close', () => this.#open.delete(socket));
      // Whoever is at this end sees that it is closed, and asks again.
      socket.on('error', () => socket.destroy());
      join(socket).catch(() => socket.destroy());
    });
  }

  /** @param join connects the paused socket with what it leads to; where that cannot be had, the socket is closed */
  static async open(join: (socket: Socket) => Promise<void>): Promise<LocalPort> {
    const port = new LocalPort(join);
    await new Promise<void>((resolve, reject) => {
      port.#server.on('error', reject);
      port.#server.listen(0, '127.0.0.1', resolve);
    });
    return port;
  }

  /** `host:port`. */
  get address(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `127.0.0.1:${port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
