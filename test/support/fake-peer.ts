import type { TestContext } from 'node:test';

import type { Dealer } from 'zeromq';

import { digestOf } from '../../worker/collective/agreement.js';
import {
  decodeFrame,
  encodeFrame,
  hashRun,
  routingIdOf,
  type Frame,
  type FrameContent,
  type Message,
} from '../../worker/collective/frame.js';
import { receivingSocket, sendingSocket } from '../../worker/collective/sockets.js';

export type Content = Partial<FrameContent> & Pick<FrameContent, 'kind'>;

/** Rank 1 of 2, played by the test frame by frame. */
export class FakePeer {
  private readonly router = receivingSocket();
  private readonly inbox: Frame[] = [];
  private waiting: (() => void)[] = [];
  private dealer!: Dealer;
  private generation = 0;

  static async bind(t: TestContext, runId = 'run-1'): Promise<FakePeer> {
    const peer = new FakePeer(t, runId);
    await peer.router.bind('tcp://127.0.0.1:*');
    t.after(() => peer.router.close());
    void peer.receiveAll();
    return peer;
  }

  private constructor(
    private readonly t: TestContext,
    private readonly runId: string,
  ) {}

  get endpoint(): string {
    return this.router.lastEndpoint!;
  }

  private get sender() {
    return { run: hashRun(this.runId), generation: this.generation, rank: 1 };
  }

  /** The connection of the newest generation. */
  get connection(): Dealer {
    return this.dealer;
  }

  /** Opens the connection of a generation, beside those of earlier ones, and says hello. */
  async greet(endpoint: string, generation: number): Promise<void> {
    this.generation = generation;
    this.dealer = sendingSocket(routingIdOf(this.sender));
    const { dealer } = this;
    this.t.after(() => dealer.close());
    dealer.connect(endpoint);
    await this.send({ kind: 'hello', payload: digestOf([endpoint, this.endpoint]) });
  }

  /** Greets, and waits until the other side has too. */
  async join(endpoint: string, generation: number): Promise<void> {
    await this.greet(endpoint, generation);
    await this.next('hello');
  }

  frame(content: Content): Message {
    return encodeFrame(this.sender, content);
  }

  async send(content: Content): Promise<void> {
    await this.sendRaw(this.frame(content));
  }

  async sendRaw(parts: readonly Uint8Array[]): Promise<void> {
    await this.dealer.send([...parts]);
  }

  /** Whether a frame of this kind has come. */
  has(kind: Frame['kind']): boolean {
    return this.inbox.some((frame) => frame.kind === kind);
  }

  /** The next frame of this kind of the generation, whatever else has come. */
  async next(kind: Frame['kind']): Promise<Frame> {
    const { generation } = this;
    for (;;) {
      const index = this.inbox.findIndex((frame) => frame.kind === kind && frame.generation === generation);
      if (index >= 0) return this.inbox.splice(index, 1)[0]!;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  private async receiveAll(): Promise<void> {
    for await (const [, ...parts] of this.router) {
      this.inbox.push(decodeFrame(parts));
      for (const wake of this.waiting.splice(0)) wake();
    }
  }
}
