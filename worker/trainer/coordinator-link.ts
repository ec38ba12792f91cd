import {
  status,
  type ChannelCredentials,
  type Client,
  type ClientDuplexStream,
  type ServiceError,
} from '@grpc/grpc-js';
import { RunError } from '../../lib/errors.js';
import { connect, openDuplex } from '../../proto/calls.js';
import { clusterService, v1 } from '../../proto/services.js';
import { Mailbox } from './mailbox.js';

/** What the coordinator says, besides stop; and that its stream is gone. */
export type Order =
  | { readonly kind: 'stageStart'; readonly stageStart: v1.StageStart }
  | { readonly kind: 'membership'; readonly membership: v1.Membership }
  | { readonly kind: 'stepWork'; readonly stepWork: v1.StepWork }
  | { readonly kind: 'evaluationWork'; readonly evaluationWork: v1.EvaluationWork }
  | { readonly kind: 'sampleWork'; readonly sampleWork: v1.SampleWork }
  | { readonly kind: 'stepCommit'; readonly stepCommit: v1.StepCommit }
  | { readonly kind: 'writeCheckpoint'; readonly writeCheckpoint: v1.WriteCheckpoint }
  | { readonly kind: 'saveModel'; readonly saveModel: v1.SaveModel }
  | { readonly kind: 'disconnected' };

/** Statuses with which a coordinator refuses this worker for good; with any other it may be on its way back. */
const REFUSALS: readonly number[] = [
  status.FAILED_PRECONDITION,
  status.INVALID_ARGUMENT,
  status.PERMISSION_DENIED,
  status.UNAUTHENTICATED,
];

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;

type Stream = ClientDuplexStream<v1.JoinRequest.$Properties, v1.JoinResponse>;

/** The stream to the coordinator, which may break and be opened again. What is said while there is none is lost. */
export class CoordinatorLink {
  /** In the order in which the coordinator said it, on which everything relies. */
  readonly orders = new Mailbox<Order>();
  /** The reason to stop at once, whatever is being done. */
  readonly stopped: Promise<string>;
  private stop: (reason: string) => void = () => undefined;
  private client: Client | null = null;
  private stream: Stream | null = null;
  private heartbeat: NodeJS.Timeout | undefined;
  private lastHeardMs = performance.now();
  private pauseMs = 0;

  /**
   * @param credentials asked for before each connection: certificates are renewed
   * @param patienceMs how long to try to reach a coordinator that is gone
   */
  constructor(
    private readonly address: string,
    private readonly credentials: () => ChannelCredentials,
    private readonly patienceMs: number,
  ) {
    this.stopped = new Promise((resolve) => (this.stop = resolve));
  }

  get isOpen(): boolean {
    return this.stream !== null;
  }

  /**
   * Opens a stream and introduces this worker. After a stream that broke it waits a little first, longer each time.
   *
   * @throws RunError where the coordinator has been silent for longer than this worker is patient
   */
  async join(hello: v1.Hello.$Properties): Promise<void> {
    if (performance.now() - this.lastHeardMs > this.patienceMs)
      throw new RunError(`lost the coordinator at ${this.address}, for ${this.patienceMs / 1000} s`);
    if (this.pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, this.pauseMs));
    this.pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, 2 * this.pauseMs));
    this.client?.close();
    this.client = connect(this.address, this.credentials());
    const stream = openDuplex(this.client, clusterService.join);
    stream.on('data', (message: v1.JoinResponse) => {
      this.lastHeardMs = performance.now();
      this.pauseMs = FIRST_PAUSE_MS;
      this.sort(message);
    });
    stream.on('error', (error: ServiceError) => this.broke(stream, error));
    stream.on('end', () => this.broke(stream, null));
    this.stream = stream;
    this.send({ hello });
  }

  send(message: v1.JoinRequest.$Properties): void {
    this.stream?.write(message);
  }

  /** Sends a sign of life at this interval from now on. */
  beatEvery(intervalMs: number): void {
    clearInterval(this.heartbeat);
    this.heartbeat = setInterval(() => this.send({ heartbeat: {} }), intervalMs);
  }

  /** Ends the stream once everything sent has left. */
  async close(): Promise<void> {
    clearInterval(this.heartbeat);
    const { stream } = this;
    this.stream = null;
    if (stream !== null) {
      await new Promise<void>((resolve) => {
        stream.once('close', resolve).once('error', () => resolve());
        stream.once('end', resolve);
        stream.end();
        if (stream.destroyed || stream.readableEnded) resolve();
      });
    }
    this.client?.close();
  }

  private broke(stream: Stream, error: ServiceError | null): void {
    if (this.stream !== stream) return;
    this.stream = null;
    if (error !== null && REFUSALS.includes(error.code))
      this.orders.fail(
        new RunError(`the coordinator at ${this.address} refused this worker: ${error.details}`),
      );
    else this.orders.put({ kind: 'disconnected' });
  }

  private sort(response: v1.JoinResponse): void {
    switch (response.message) {
      case 'stageStart':
        this.orders.put({ kind: 'stageStart', stageStart: v1.StageStart.create(response.stageStart ?? {}) });
        break;
      case 'membership':
        this.orders.put({ kind: 'membership', membership: v1.Membership.create(response.membership ?? {}) });
        break;
      case 'stepWork':
        this.orders.put({ kind: 'stepWork', stepWork: v1.StepWork.create(response.stepWork ?? {}) });
        break;
      case 'evaluationWork':
        this.orders.put({
          kind: 'evaluationWork',
          evaluationWork: v1.EvaluationWork.create(response.evaluationWork ?? {}),
        });
        break;
      case 'sampleWork':
        this.orders.put({ kind: 'sampleWork', sampleWork: v1.SampleWork.create(response.sampleWork ?? {}) });
        break;
      case 'stepCommit':
        this.orders.put({ kind: 'stepCommit', stepCommit: v1.StepCommit.create(response.stepCommit ?? {}) });
        break;
      case 'writeCheckpoint':
        this.orders.put({
          kind: 'writeCheckpoint',
          writeCheckpoint: v1.WriteCheckpoint.create(response.writeCheckpoint ?? {}),
        });
        break;
      case 'saveModel':
        this.orders.put({ kind: 'saveModel', saveModel: v1.SaveModel.create(response.saveModel ?? {}) });
        break;
      case 'stop':
        this.stop(response.stop?.reason ?? '');
        break;
      case undefined:
        this.orders.fail(
          new RunError(`the coordinator at ${this.address} sent a message that this version does not know`),
        );
    }
  }
}
