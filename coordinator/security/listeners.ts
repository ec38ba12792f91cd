import { setTimeout as delay } from 'node:timers/promises';
import { Server, ServerCredentials, type ChannelOptions, type ServerInterceptor } from '@grpc/grpc-js';
import type { Logger } from '../../lib/log.js';
import { readTls } from '../../lib/security/tls-files.js';
import { channelOptions } from '../../proto/calls.js';
import { Door, type DoorOptions } from './door.js';
import { gate, type Recognize } from './gate.js';
import { identityOf } from './identity.js';
import { healthLimits, peopleLimits, workerLimits } from './limits.js';
import type { SecurityOptions, TokenOptions } from './options.js';
import { PlainDoor } from './plain-door.js';
import type { Refusals } from './refusals.js';
import { bearerToken, Tokens } from './tokens.js';
import { watchFiles, type FileWatch } from './watched-files.js';

/** What watchers have to read their last events when the coordinator stops. */
const LAST_WORDS_MS = 1_000;

const TOKEN_PLACES = 'the token of --token-file or PROSPECT_TOKEN';

/** Adds services to a server. */
export interface Services {
  readonly all: (server: Server) => void;
  /** Those that workers call. */
  readonly forWorkers: (server: Server) => void;
  readonly health: (server: Server) => void;
}

export interface ListenOptions {
  /** `host:port`; port 0 for any free one. */
  readonly listen: string;
  /** Null for plain text, on `listen`. */
  readonly security: SecurityOptions | null;
  /** Answers health checks in plain text, and nothing else; null for nowhere. */
  readonly healthListen: string | null;
}

/** All places where the coordinator serves gRPC. */
export class Listeners {
  /** `host:port`. */
  address = '';
  /** Where workers that this process starts reach it. */
  localAddress = '';
  tokenAddress: string | null = null;
  healthAddress: string | null = null;
  private readonly servers: Server[] = [];
  private readonly doors: (Door | PlainDoor)[] = [];
  private readonly watches: FileWatch[] = [];

  constructor(
    private readonly services: Services,
    private readonly refusals: Refusals,
    private readonly log: Logger,
  ) {}

  /** @throws ConfigError where an address is taken, or a file cannot be used. What is open then is for `close`. */
  async open({ listen, security, healthListen }: ListenOptions): Promise<void> {
    if (healthListen !== null)
      this.healthAddress = await this.openPlain(
        healthListen,
        this.serverOf(this.services.health, healthLimits),
      );
    if (security === null) {
      this.address = await this.openPlain(listen, this.serverOf(this.services.all, {}));
      this.localAddress = this.address;
      return;
    }
    await this.openForCertificates(listen, security);
    if (security.tokens !== null) await this.openForTokens(security, security.tokens);
    if (security.localWorkers) {
      const server = this.serverOf(this.services.forWorkers, workerLimits);
      this.localAddress = await this.openPlain('127.0.0.1:0', server);
    }
  }

  /**
   * Those who watch a run that has ended get its last events; whoever else is still connected is cut off. A connection whose
   * other end is gone without a word takes the system many minutes to close, so it is not waited for.
   */
  async close(): Promise<void> {
    for (const watch of this.watches) watch.close();
    for (const door of this.doors) door.close();
    const closed = Promise.all(this.servers.map(shutDown));
    const cutOff = setTimeout(() => this.servers.forEach((server) => server.forceShutdown()), LAST_WORDS_MS);
    await Promise.race([closed, delay(2 * LAST_WORDS_MS, undefined, { ref: false })]);
    clearTimeout(cutOff);
    for (const door of this.doors) door.clear();
  }

  /** Returns the `host:port` that it listens on. */
  private async openPlain(listen: string, server: Server): Promise<string> {
    const connections = injectorOf(server);
    const door = await PlainDoor.open(listen, (socket) => connections.injectConnection(socket));
    this.doors.push(door);
    return door.address;
  }

  private async openForCertificates(listen: string, security: SecurityOptions): Promise<void> {
    const { identityDomain: domain } = security;
    const { refusals } = this;
    const recognize: Recognize = ({ identity }) =>
      identity === null
        ? {
            identity,
            reason: 'certificate',
            why: `the certificate has no name of ${domain}, such as submit.${domain}`,
          }
        : { identity };
    const interceptor = gate(() => door, recognize, { refusals, callRate: security.callRate });
    const people = injectorOf(this.serverOf(this.services.all, peopleLimits, interceptor));
    // What a step's workers tell can be long.
    const workers = injectorOf(this.serverOf(this.services.all, workerLimits, interceptor));
    const door = await this.openDoor(listen, security, {
      tls: readTls(security.tls),
      identify: (socket) => identityOf(socket.getPeerCertificate().subjectaltname, domain),
      admit: (socket, identity) => (identity?.role === 'worker' ? workers : people).injectConnection(socket),
    });
    this.address = door.address;
  }

  private async openForTokens(security: SecurityOptions, { listen, file }: TokenOptions): Promise<void> {
    const { refusals } = this;
    let tokens = Tokens.read(file);
    const reload = () => (tokens = Tokens.read(file));
    const { lookIntervalMs: intervalMs } = security;
    this.watches.push(watchFiles([file], reload, { log: this.log, intervalMs }));
    const recognize: Recognize = (_, metadata) => {
      const token = bearerToken(metadata.get('authorization')[0]?.toString());
      if (token === null)
        return { identity: null, reason: 'token', why: `there is no token: give ${TOKEN_PLACES}` };
      const identity = tokens.find(token);
      return identity === null
        ? { identity, reason: 'token', why: `nobody has this token: check ${TOKEN_PLACES}` }
        : { identity };
    };
    const interceptor = gate(() => door, recognize, { refusals, callRate: security.callRate });
    const people = injectorOf(this.serverOf(this.services.all, peopleLimits, interceptor));
    const { cert, key } = readTls(security.tls);
    const door = await this.openDoor(listen, security, {
      tls: { cert, key },
      identify: null,
      admit: (socket) => people.injectConnection(socket),
    });
    this.tokenAddress = door.address;
  }

  private async openDoor(
    listen: string,
    { tls: files, lookIntervalMs: intervalMs }: SecurityOptions,
    options: Pick<DoorOptions, 'tls' | 'identify' | 'admit'>,
  ): Promise<Door> {
    const door = await Door.open({ ...options, listen, refusals: this.refusals });
    this.doors.push(door);
    const reload = () => {
      const { ca, ...own } = readTls(files);
      door.renew(options.identify === null ? own : { ...own, ca });
    };
    const { ca, cert, key } = files;
    this.watches.push(watchFiles([ca, cert, key], reload, { log: this.log, intervalMs }));
    return door;
  }

  private serverOf(
    addServices: (server: Server) => void,
    limits: ChannelOptions,
    ...interceptors: ServerInterceptor[]
  ): Server {
    const server = new Server({ ...channelOptions, ...limits, interceptors });
    addServices(server);
    this.servers.push(server);
    return server;
  }
}

/** Takes connections that come through a door: if they were encrypted, they are as plain ones from there on. */
function injectorOf(server: Server): ReturnType<Server['createConnectionInjector']> {
  return server.createConnectionInjector(ServerCredentials.createInsecure());
}

function shutDown(server: Server): Promise<void> {
  return new Promise((resolve) => server.tryShutdown(() => resolve()));
}
