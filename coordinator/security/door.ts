import { createServer as createNetServer, type Server as NetServer, type Socket } from 'node:net';
import { constants } from 'node:crypto';
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  type Server as TlsServer,
  type TLSSocket,
} from 'node:tls';
import { messageOf } from '../../lib/errors.js';
import { listenOn } from '../../lib/listen.js';
import type { Identity } from './identity.js';
import {
  connectionRate,
  HANDSHAKE_TIMEOUT_MS,
  MAX_CONNECTIONS,
  MAX_CONNECTIONS_OF_ADDRESS,
} from './limits.js';
import { RateLimit } from './rate-limit.js';
import type { Refusals } from './refusals.js';

/** A connection whose other side has passed the handshake. */
export interface Connection {
  /** By its certificate; null for nobody that is known, or where none is asked for. */
  readonly identity: Identity | null;
  /** Calls on it that were refused. */
  refusals: number;
  cut(): void;
}

/** The two ends of a TCP connection. */
export interface Ends {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

export interface DoorOptions {
  /** `host:port`. */
  readonly listen: string;
  readonly tls: SecureContextOptions;
  /** Who a client's certificate says it is; null where clients need no certificate. */
  readonly identify: ((socket: TLSSocket) => Identity | null) | null;
  /** Takes over whoever has come in. */
  readonly admit: (socket: TLSSocket, identity: Identity | null) => void;
  readonly refusals: Refusals;
}

/**
 * Where TLS connections come in. grpc-js would listen by itself, but tells neither of a handshake that failed nor who is at
 * the other end before a call is read, on which the limits depend.
 */
export class Door {
  /** `host:port` that it listens on. */
  address = '';
  private readonly connections = new Map<string, Connection>();
  private readonly rate = new RateLimit(connectionRate);
  /** All of them, from their first byte on, by the address that they come from. */
  private readonly sockets = new Map<string, Set<Socket>>();
  private readonly net: NetServer;
  private readonly tls: TlsServer;

  private constructor(private readonly options: DoorOptions) {
    this.tls = createTlsServer(
      {
        ...options.tls,
        ALPNProtocols: ['h2'],
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        requestCert: options.identify !== null,
        rejectUnauthorized: options.identify !== null,
        // Each connection shows its certificate anew: a resumed one would be good for longer than it is.
        secureOptions: constants.SSL_OP_NO_TICKET,
      },
      (socket) => this.enter(socket),
    );
    this.tls.on('tlsClientError', (error, socket) => this.failed(error, socket));
    this.net = createNetServer({ noDelay: true }, (socket) => this.knock(socket));
    this.net.maxConnections = MAX_CONNECTIONS;
    this.net.on('drop', (ends) => this.tooMany(ends?.remoteAddress ?? ''));
  }

  /** @throws ConfigError where it cannot listen there */
  static async open(options: DoorOptions): Promise<Door> {
    const door = new Door(options);
    door.address = await listenOn(door.net, options.listen);
    return door;
  }

  /** For new connections, from now on. @throws Error where it cannot be used */
  renew(tls: SecureContextOptions): void {
    this.tls.setSecureContext(tls);
  }

  /** The connection that a call came over; undefined once it is closed. */
  connectionOf(ends: Ends): Connection | undefined {
    return this.connections.get(keyOf(ends));
  }

  /** Lets nobody in any more. Those who are in stay. */
  close(): void {
    this.net.close();
  }

  /** Cuts off whoever is there. */
  clear(): void {
    for (const sockets of this.sockets.values()) for (const socket of sockets) socket.destroy();
  }

  private knock(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const those = this.sockets.get(address) ?? new Set();
    if (those.size >= MAX_CONNECTIONS_OF_ADDRESS || !this.rate.take(address)) {
      this.tooMany(address);
      socket.destroy();
      return;
    }
    this.sockets.set(address, those.add(socket));
    socket.once('close', () => {
      those.delete(socket);
      if (those.size === 0) this.sockets.delete(address);
    });
    this.tls.emit('connection', socket);
  }

  private enter(socket: TLSSocket): void {
    // What becomes of the connection, its session is told too.
    socket.on('error', () => undefined);
    const identity = this.options.identify?.(socket) ?? null;
    const connection = { identity, refusals: 0, cut: () => void socket.destroy() };
    const key = keyOf(socket);
    this.connections.set(key, connection);
    socket.once('close', () => {
      if (this.connections.get(key) === connection) this.connections.delete(key);
    });
    this.options.admit(socket, identity);
  }

  private failed(error: Error, socket: TLSSocket): void {
    // Set where a certificate came that is not good; OpenSSL's code for why.
    const { authorizationError } = socket as { authorizationError?: unknown };
    const why = typeof authorizationError === 'string' ? authorizationError : messageOf(error);
    this.options.refusals.note('certificate', { from: socket.remoteAddress ?? 'somewhere', why });
  }

  private tooMany(from: string): void {
    this.options.refusals.note('rate', { from, why: 'too many connections' });
  }
}

function keyOf({ localAddress, localPort, remoteAddress, remotePort }: Ends): string {
  return [localAddress, localPort, remoteAddress, remotePort].join(' ');
}
