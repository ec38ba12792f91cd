import { fork, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { channelOptions, serve } from '../../proto/calls.js';
import { clusterService, v1 } from '../../proto/services.js';
import { waitUntil } from './wait-until.js';

type ToWorker = v1.JoinResponse.$Properties;
type WorkerStream = ServerDuplexStream<v1.JoinRequest, ToWorker>;

const entry = fileURLToPath(new URL('../../worker/main.js', import.meta.url));

/** What a worker's peers need to reach it. */
export type CollectiveAddress = Required<
  Pick<v1.Member.$Properties, 'collectiveEndpoint' | 'collectivePublicKey'>
>;

/** The coordinator's end of the contract, without a mind of its own: a test says what real workers are told. */
export class StubCoordinator {
  private readonly streams = new Map<string, WorkerStream>();
  private readonly messages: { readonly from: string; readonly message: v1.JoinRequest }[] = [];
  private readonly processes = new Map<string, ChildProcess>();
  private readonly addresses = new Map<string, CollectiveAddress>();

  private constructor(
    private server: Server,
    private port: number,
    private readonly logDir: string,
  ) {}

  static async start(logDir: string): Promise<StubCoordinator> {
    const stub = new StubCoordinator(new Server(channelOptions), 0, logDir);
    await stub.listen();
    return stub;
  }

  /** Starts a real worker process; resolves once it has said hello. */
  async launch(workerId: string): Promise<void> {
    const log = openSync(join(this.logDir, `${workerId}.log`), 'a');
    const args = ['--coordinator', this.address, '--run-id', 'run', '--worker-id', workerId];
    args.push('--listen-host', '127.0.0.1', '--threads', '1');
    this.processes.set(workerId, fork(entry, args, { stdio: ['ignore', log, log, 'ipc'] }));
    closeSync(log);
    await this.receive(workerId, 'hello');
  }

  /** host:port. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Where a worker's peers reach it, and by which key, as it said. */
  addressOf(workerId: string): CollectiveAddress {
    return this.addresses.get(workerId)!;
  }

  async kill(workerId: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    const child = this.processes.get(workerId)!;
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    child.kill(signal);
    const code = await ended;
    this.processes.delete(workerId);
    return code;
  }

  send(workerId: string, message: ToWorker): void {
    this.streams.get(workerId)!.write(message);
  }

  sendAll(workerIds: readonly string[], message: ToWorker): void {
    for (const workerId of workerIds) this.send(workerId, message);
  }

  /** The next message of this kind from a worker; fails where the worker tells of a failure meanwhile. */
  async receive<Kind extends keyof v1.JoinRequest.$Properties>(
    workerId: string,
    kind: Kind,
  ): Promise<NonNullable<v1.JoinRequest[Kind]>> {
    const find = (wanted: string) =>
      this.messages.findIndex(({ from, message }) => from === workerId && message.message === wanted);
    await waitUntil(() => find(kind) >= 0 || find('failure') >= 0, `${workerId} says ${kind}`, 60_000);
    const failed = find('failure');
    if (failed >= 0 && kind !== 'failure')
      throw new Error(`${workerId}: ${this.messages[failed]!.message.failure?.reason ?? ''}`);
    const [found] = this.messages.splice(find(kind), 1);
    return found!.message[kind]!;
  }

  receiveAll<Kind extends keyof v1.JoinRequest.$Properties>(workerIds: readonly string[], kind: Kind) {
    return Promise.all(workerIds.map((workerId) => this.receive(workerId, kind)));
  }

  /** Goes away without a word, and comes back at the same address. */
  async restart(): Promise<void> {
    this.server.forceShutdown();
    this.streams.clear();
    this.messages.length = 0;
    this.server = new Server(channelOptions);
    await this.listen();
  }

  async close(): Promise<void> {
    for (const workerId of [...this.processes.keys()]) await this.kill(workerId);
    this.server.forceShutdown();
  }

  private async listen(): Promise<void> {
    serve(this.server, clusterService, { join: (call) => this.join(call) }, () => ({
      code: 13,
      details: '',
    }));
    this.port = await new Promise<number>((resolve, reject) => {
      this.server.bindAsync(`127.0.0.1:${this.port}`, ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve(port);
        else reject(error);
      });
    });
  }

  private join(call: WorkerStream): void {
    let from = '';
    call.on('data', (message: v1.JoinRequest) => {
      if (message.hello) {
        from = message.hello.workerId ?? '';
        this.streams.set(from, call);
        const { collectiveEndpoint = '', collectivePublicKey = '' } = message.hello;
        this.addresses.set(from, { collectiveEndpoint, collectivePublicKey });
      }
      if (!message.heartbeat) this.messages.push({ from, message });
    });
    call.on('error', () => undefined);
    call.on('end', () => call.end());
  }
}
