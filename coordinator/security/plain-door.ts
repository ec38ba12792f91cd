import { createServer, type Server, type Socket } from 'node:net';
import { listenOn } from '../../lib/listen.js';

/**
 * Where connections in plain text come in. grpc-js would listen by itself, but then nobody could cut off a connection whose
 * other end is gone without a word: a session that is told to close waits for that end until the system gives it up.
 */
export class PlainDoor {
  private constructor(
    private readonly net: Server,
    private readonly sockets: ReadonlySet<Socket>,
    /** `host:port` that it listens on. */
    readonly address: string,
  ) {}

  /**
   * @param listen `host:port`
   * @param admit takes over whoever comes in
   * @throws ConfigError where it cannot listen there
   */
  static async open(listen: string, admit: (socket: Socket) => void): Promise<PlainDoor> {
    const sockets = new Set<Socket>();
    const net = createServer({ noDelay: true }, (socket) => {
      sockets.add(socket);
      // What becomes of the connection, its session is told too.
      socket.on('error', () => undefined);
      socket.once('close', () => sockets.delete(socket));
      admit(socket);
    });
    return new PlainDoor(net, sockets, await listenOn(net, listen));
  }

  /** Lets nobody in any more. Those who are in stay. */
  close(): void {
    this.net.close();
  }

  /** Cuts off whoever is there. */
  clear(): void {
    for (const socket of this.sockets) socket.destroy();
  }
}
