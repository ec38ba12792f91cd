import { credentials, type Client, type ClientDuplexStream } from '@grpc/grpc-js';
import { RunError } from '../../lib/errors.js';
import { connect, openDuplex } from '../../proto/calls.js';
import { clusterService, v1 } from '../../proto/services.js';
import { Mailbox } from './mailbox.js';

/** What the coordinator says besides a step's work, its commit, and stop. */
export type ControlMessage =
  | { readonly kind: 'membership'; readonly membership: v1.Membership }
  | { readonly kind: 'stageStart'; readonly stageStart: v1.StageStart }
  | { readonly kind: 'saveModel'; readonly saveModel: v1.SaveModel };

/** The stream to the coordinator: what is sent, and what came sorted into mailboxes. */
export class CoordinatorLink {
  readonly control = new Mailbox<ControlMessage>();
  readonly work = new Mailbox<v1.StepWork>();
  readonly commits = new Mailbox<v1.StepCommit>();
  /** The reason to stop at once, whatever is being done. */
  readonly stopped: Promise<string>;
  private stop: (reason: string) => void = () => undefined;
  private readonly client: Client;
  private readonly stream: ClientDuplexStream<v1.JoinRequest.$Properties, v1.JoinResponse>;
  private heartbeat: NodeJS.Timeout | undefined;

  /** @param onWork called as soon as work arrives, before anyone reads it */
  constructor(
    private readonly address: string,
    private readonly onWork: (work: v1.StepWork) => void,
  ) {
    this.stopped = new Promise((resolve) => (this.stop = resolve));
    this.client = connect(address, credentials.createInsecure());
    this.stream = openDuplex(this.client, clusterService.join);
    this.stream.on('data', (message: v1.JoinResponse) => this.sort(message));
    this.stream.on('error', (error) =>
      this.fail(new RunError(`lost the coordinator at ${address}: ${error.message}`)),
    );
    this.stream.on('end', () => this.fail(new RunError(`the coordinator at ${address} closed the stream`)));
  }

  send(message: v1.JoinRequest.$Properties): void {
    this.stream.write(message);
  }

  /** Sends a sign of life at this interval from now on. */
  beatEvery(intervalMs: number): void {
    clearInterval(this.heartbeat);
    this.heartbeat = setInterval(() => this.send({ heartbeat: {} }), intervalMs);
  }

  /** Ends the stream once everything sent has left. */
  async close(): Promise<void> {
    clearInterval(this.heartbeat);
    await new Promise<void>((resolve) => {
      this.stream.once('close', resolve).once('error', () => resolve());
      this.stream.once('end', resolve);
      this.stream.end();
      if (this.stream.destroyed || this.stream.readableEnded) resolve();
    });
    this.client.close();
  }

  private sort(response: v1.JoinResponse): void {
    switch (response.message) {
      case 'stepWork':
        this.receive(v1.StepWork.create(response.stepWork ?? {}));
        break;
      case 'stepCommit':
        this.commits.put(v1.StepCommit.create(response.stepCommit ?? {}));
        break;
      case 'membership':
        this.control.put({ kind: 'membership', membership: v1.Membership.create(response.membership ?? {}) });
        break;
      case 'stageStart':
        this.control.put({ kind: 'stageStart', stageStart: v1.StageStart.create(response.stageStart ?? {}) });
        break;
      case 'saveModel':
        this.control.put({ kind: 'saveModel', saveModel: v1.SaveModel.create(response.saveModel ?? {}) });
        break;
      case 'stop':
        this.stop(response.stop?.reason ?? '');
        break;
      case undefined:
        this.fail(
          new RunError(`the coordinator at ${this.address} sent a message that this version does not know`),
        );
    }
  }

  private receive(work: v1.StepWork): void {
    try {
      this.onWork(work);
      this.work.put(work);
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private fail(error: Error): void {
    clearInterval(this.heartbeat);
    this.control.fail(error);
    this.work.fail(error);
    this.commits.fail(error);
  }
}
