import { createHash } from 'node:crypto';
import type { TestContext } from 'node:test';
import { credentials, Server, ServerCredentials, status, type Client } from '@grpc/grpc-js';
import { channelOptions, connect, serve, type Handlers } from '../../proto/calls.js';
import { runService, uploadService, v1 } from '../../proto/services.js';

const { RunState } = v1;

/** What a test says of a run's life: an event without its number, and its time where that matters. */
export type Told = Omit<v1.WatchRunResponse.$Properties, 'sequence' | 'timeMs'> & {
  readonly timeMs?: number;
};

type WatchCall = Parameters<Handlers<typeof runService>['watchRun']>[0];
type LogCall = Parameters<Handlers<typeof runService>['readLog']>[0];

class FakeRun {
  readonly events: v1.WatchRunResponse.$Properties[] = [];
  readonly logs = new Map<string, Buffer>();
  readonly listeners = new Set<() => void>();

  constructor(public run: v1.Run) {}

  get hasEnded(): boolean {
    const { state } = this.run;
    return (
      state === RunState.RUN_STATE_COMPLETED ||
      state === RunState.RUN_STATE_FAILED ||
      state === RunState.RUN_STATE_CANCELLED
    );
  }

  wake(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

/** A refusal as the service gives it. */
export class Refusal extends Error {
  constructor(
    readonly code: number,
    details: string,
  ) {
    super(details);
  }
}

/**
 * A coordinator without workers, in this process: a test says what happens to its runs. Uploads follow the contract's
 * rules, in memory.
 */
export class FakeCoordinator {
  readonly uploads = new FakeUploads();
  about: v1.GetCoordinatorResponse.$Properties = { version: 'fake', pageAddress: '127.0.0.1:7071' };
  /** Names of the calls that were made, in order. */
  readonly calls: string[] = [];
  /** What was submitted. */
  readonly submitted: v1.SubmitRunRequest[] = [];
  /** Called by the name of the call before it is answered. */
  before: (call: string) => void | Promise<void> = () => undefined;
  private readonly runs = new Map<string, FakeRun>();
  private server = new Server(channelOptions);
  private port = 0;

  /** Listens until the test ends. */
  static async start(t: Pick<TestContext, 'after'>): Promise<FakeCoordinator> {
    const fake = new FakeCoordinator();
    await fake.listen();
    t.after(() => fake.stop());
    return fake;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Until the test ends. */
  connect(t: Pick<TestContext, 'after'>): Client {
    const client = connect(this.address, credentials.createInsecure());
    t.after(() => client.close());
    return client;
  }

  /** Cuts all connections, as a killed process does. */
  stop(): void {
    this.server.forceShutdown();
  }

  /** Listens again at the same address, after `stop`. */
  async listen(): Promise<void> {
    this.server = new Server(channelOptions);
    serve(this.server, runService, this.runHandlers(), toStatus);
    serve(this.server, uploadService, this.uploadHandlers(), toStatus);
    this.port = await new Promise<number>((resolve, reject) => {
      const done = (error: Error | null, port: number) => (error === null ? resolve(port) : reject(error));
      this.server.bindAsync(this.address, ServerCredentials.createInsecure(), done);
    });
  }

  /** A run and the event of its first state. */
  addRun(run: v1.Run.$Properties & { readonly id: string }): void {
    const defaults = {
      name: 'kto',
      state: RunState.RUN_STATE_QUEUED,
      outputDir: `/out/${run.id}`,
      workers: 1,
    };
    const created = v1.Run.create({ ...defaults, createdAtMs: Date.now(), ...run });
    this.runs.set(run.id, new FakeRun(created));
    this.tell(run.id, { run: created });
  }

  run(id: string): v1.Run {
    return this.find(id).run;
  }

  /** Something happens to a run. */
  tell(id: string, ...told: readonly Told[]): void {
    const fake = this.find(id);
    for (const event of told) {
      if (event.run) fake.run = Object.assign(v1.Run.create(fake.run), event.run);
      const run = event.run ? { run: fake.run } : {};
      fake.events.push({ timeMs: Date.now(), ...event, ...run, sequence: fake.events.length + 1 });
    }
    fake.wake();
  }

  /** Appends to the log of a process. */
  log(id: string, process: string, text: string | Buffer): void {
    const { logs, listeners } = this.find(id);
    logs.set(process, Buffer.concat([logs.get(process) ?? Buffer.alloc(0), Buffer.from(text)]));
    for (const listener of [...listeners]) listener();
  }

  /** How many calls stand that follow a run. */
  watchers(id: string): number {
    return this.find(id).listeners.size;
  }

  private find(id: string): FakeRun {
    const run = this.runs.get(id);
    if (run === undefined) throw new Refusal(status.NOT_FOUND, `no run ${id}`);
    return run;
  }

  private runHandlers(): Handlers<typeof runService> {
    const answer =
      <Request, Response>(name: string, handler: (request: Request) => Response) =>
      async (request: Request) => {
        this.calls.push(name);
        await this.before(name);
        return handler(request);
      };
    return {
      submitRun: answer('submitRun', (request) => ({ run: this.submit(request) })),
      getRun: answer('getRun', ({ runId }) => ({ run: this.find(runId).run })),
      listRuns: answer('listRuns', () => ({ runs: [...this.runs.values()].map(({ run }) => run) })),
      cancelRun: answer('cancelRun', ({ runId }) => ({ run: this.cancel(runId) })),
      resumeRun: answer('resumeRun', ({ runId }) => ({ run: this.resume(runId) })),
      resizeRun: answer('resizeRun', ({ runId, workers }) => {
        this.tell(runId, { run: { workers } });
        return { run: this.find(runId).run };
      }),
      getCoordinator: answer('getCoordinator', () => this.about),
      watchRun: (call) => this.watch(call),
      readLog: (call) => this.readLog(call),
    };
  }

  private uploadHandlers(): Handlers<typeof uploadService> {
    return {
      findUploads: async ({ uploads }) => {
        this.calls.push('findUploads');
        await this.before('findUploads');
        return { held: uploads.map((upload) => this.uploads.held(v1.Upload.create(upload))) };
      },
      putChunk: async ({ upload, offset, data }) => {
        this.calls.push('putChunk');
        await this.before('putChunk');
        return { held: this.uploads.put(v1.Upload.create(upload!), offset, data) };
      },
    };
  }

  private submit(request: v1.SubmitRunRequest): v1.Run {
    for (const { files } of request.uploads) {
      for (const { sha256 } of files ?? []) this.uploads.requireComplete(sha256 ?? '');
    }
    this.submitted.push(request);
    const id = `run-${String(this.submitted.length).padStart(8, '0')}`;
    this.addRun({ id, name: request.name });
    return this.find(id).run;
  }

  private cancel(id: string): v1.Run {
    const { run } = this.find(id);
    if (run.state === RunState.RUN_STATE_QUEUED) {
      this.tell(id, { run: { state: RunState.RUN_STATE_CANCELLED, reason: 'cancelled by request' } });
    }
    return this.find(id).run;
  }

  private resume(id: string): v1.Run {
    const fake = this.find(id);
    if (!fake.hasEnded || fake.run.state === RunState.RUN_STATE_COMPLETED)
      throw new Refusal(status.FAILED_PRECONDITION, `run ${id} cannot be resumed`);
    this.tell(id, { run: { state: RunState.RUN_STATE_QUEUED, reason: '' } });
    return fake.run;
  }

  private watch(call: WatchCall): void {
    this.calls.push('watchRun');
    const { runId, historyOnly } = call.request;
    let next = call.request.afterSequence;
    this.follow(call, runId, (fake) => {
      for (; next < fake.events.length; next++) call.write(fake.events[next]!);
      return historyOnly || fake.hasEnded;
    });
  }

  private readLog(call: LogCall): void {
    this.calls.push('readLog');
    const { runId, process, follow } = call.request;
    let { offset } = call.request;
    this.follow(call, runId, (fake) => {
      const log = fake.logs.get(process);
      if (log === undefined) throw new Refusal(status.NOT_FOUND, `run ${runId} has no log of ${process}`);
      if (offset < log.length) call.write({ data: log.subarray(offset) });
      offset = log.length;
      return !follow || fake.hasEnded;
    });
  }

  /** Has `send` send what there is, now and after each change, until it says that this was all. */
  private follow(call: WatchCall | LogCall, runId: string, send: (run: FakeRun) => boolean): void {
    try {
      const fake = this.find(runId);
      const listener = () => {
        if (!send(fake)) return;
        fake.listeners.delete(listener);
        call.end();
      };
      fake.listeners.add(listener);
      call.once('cancelled', () => fake.listeners.delete(listener));
      listener();
    } catch (error) {
      call.emit('error', toStatus(error));
    }
  }
}

/** Uploads by the rules of the contract. */
export class FakeUploads {
  /** A disk with less room is full. */
  roomBytes = Infinity;
  /** Chunks whose place was another one than what was held. */
  misplaced = 0;
  private readonly incoming = new Map<string, Buffer[]>();
  private readonly complete = new Map<string, number>();

  held({ sha256, size }: v1.Upload): number {
    if (size === 0 || this.complete.get(sha256) === size) return size;
    return this.bytesOf(sha256);
  }

  put(upload: v1.Upload, offset: number, data: Uint8Array): number {
    const { sha256, size } = upload;
    const held = this.held(upload);
    if (offset !== held || held === size) {
      this.misplaced += 1;
      return held;
    }
    if (data.length > this.roomBytes) throw new Refusal(status.FAILED_PRECONDITION, 'the disk is full');
    this.roomBytes -= data.length;
    const chunks = [...(this.incoming.get(sha256) ?? []), Buffer.from(data)];
    this.incoming.set(sha256, chunks);
    if (held + data.length < size) return held + data.length;
    this.incoming.delete(sha256);
    if (createHash('sha256').update(Buffer.concat(chunks)).digest('hex') !== sha256)
      throw new Refusal(
        status.INVALID_ARGUMENT,
        `the content of the upload ${sha256} is not what its hash says`,
      );
    this.complete.set(sha256, size);
    return size;
  }

  /** Of files that are not complete. */
  get heldBytes(): number {
    return [...this.incoming.keys()].reduce((sum, sha256) => sum + this.bytesOf(sha256), 0);
  }

  /** What has come of a file is there already. */
  hold(sha256: string, data: Buffer): void {
    this.incoming.set(sha256, [data]);
  }

  requireComplete(sha256: string): void {
    if (this.complete.has(sha256) || sha256 === createHash('sha256').digest('hex')) return;
    throw new Refusal(status.FAILED_PRECONDITION, `${sha256} has not been uploaded`);
  }

  private bytesOf(sha256: string): number {
    return (this.incoming.get(sha256) ?? []).reduce((sum, { length }) => sum + length, 0);
  }
}

function toStatus(error: unknown): { code: number; details: string } {
  if (error instanceof Refusal) return { code: error.code, details: error.message };
  return { code: status.INTERNAL, details: String(error) };
}
