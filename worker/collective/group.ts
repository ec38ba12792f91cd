import type { Dealer } from 'zeromq';

import { messageOf } from '../../lib/errors.js';
import { digestOf, mustAgree } from './agreement.js';
import { CollectiveError } from './collective-error.js';
import { Exchange, type ExchangePlan } from './exchange.js';
import { FrameError, decodeFrame, encodeFrame, routingIdOf, type Frame, type Sender } from './frame.js';
import { Outbox } from './outbox.js';
import { PeerLink } from './peer-link.js';
import { compareTags, describeTag, type OperationTag } from './tag.js';
import type { Traffic } from './traffic.js';

/** A peer is at most one operation ahead, and sends only its announcement then. */
const MAX_EARLY_FRAMES_PER_PEER = 4;

/** How long a worker that leaves waits for its peers to have read its last frames. */
const GOODBYE_TIMEOUT_MS = 1_000;

/**
 * The ranks of one generation: the links to all peers and the operations between them. It breaks once: its first failure
 * rejects what is pending and all that comes after.
 */
export class Group {
  /** In the order in which to send: from one's own rank on, so that no receiver gets everyone's chunks at once. */
  private readonly links: readonly PeerLink[];
  private readonly linkByRoutingId: ReadonlyMap<string, PeerLink>;
  private readonly joining: Exchange;
  private joined = false;
  private readonly open = new Map<string, Exchange>();
  private newest: OperationTag | undefined;
  private early: Frame[] = [];
  private failure: Error | undefined;
  private leaving: { readonly unanswered: Set<PeerLink>; readonly done: () => void } | undefined;

  constructor(
    readonly sender: Sender,
    readonly endpoints: readonly string[],
    private readonly timeoutMs: number,
    private readonly traffic: Traffic,
    openSocket: (rank: number) => Dealer,
  ) {
    const onLost = (link: PeerLink, what: string) => this.lose(link, what);
    this.links = endpoints.slice(1).map((_, index) => {
      const rank = (sender.rank + 1 + index) % endpoints.length;
      const endpoint = endpoints[rank]!;
      const outbox = hostOf(endpoint) === hostOf(endpoints[sender.rank]!) ? Outbox.open() : null;
      return new PeerLink(sender, { rank, endpoint, dealer: openSocket(rank), outbox }, traffic, onLost);
    });
    this.linkByRoutingId = new Map(
      this.links.map((link) => [routingIdOf({ ...sender, rank: link.rank }), link]),
    );
    this.joining = this.newExchange('hello', { stage: 0, step: 0, phase: 0 }, joiningPlan(endpoints));
  }

  get worldSize(): number {
    return this.endpoints.length;
  }

  /** Resolves when all ranks have joined: from then on, whatever is sent to one of them is expected there. */
  async join(): Promise<void> {
    for (const link of this.links) {
      try {
        link.connect();
      } catch (error) {
        const reason = `${link.name} has an endpoint that cannot be used: ${messageOf(error)}`;
        this.fail(new CollectiveError(reason, [link.rank]));
        break;
      }
    }
    this.joining.start();
    await this.joining.done;
    this.joined = true;
  }

  /** Runs one operation with all peers. Its tag must come after those of all earlier ones. */
  async exchange(tag: OperationTag, plan: ExchangePlan): Promise<void> {
    if (this.failure) throw this.failure;
    if (!this.joined) throw new Error('the collective has not connected to its peers yet');
    if (this.newest && compareTags(tag, this.newest) <= 0)
      throw new RangeError(`${describeTag(tag)} comes after ${describeTag(this.newest)}`);
    this.newest = tag;
    const exchange = this.newExchange('announce', tag, plan);
    const key = describeTag(tag);
    this.open.set(key, exchange);
    this.failWithoutPeers(this.links.filter((link) => link.left));
    exchange.start();
    const early = this.early;
    this.early = [];
    for (const frame of early) this.accept(frame);
    try {
      await exchange.done;
    } finally {
      this.open.delete(key);
    }
  }

  /** Whether `routingId` is the one that a peer of this generation connects with. */
  hasPeer(routingId: string): boolean {
    return this.linkByRoutingId.has(routingId);
  }

  /** Takes a message that came over a peer's connection. */
  receive(routingId: string, parts: readonly Buffer[]): void {
    if (this.failure) return;
    const link = this.linkByRoutingId.get(routingId)!;
    this.blaming(link, () => {
      const frame = decodeFrame(parts);
      if (routingIdOf(frame) !== routingId) throw new FrameError(`a frame of ${routingIdOf(frame)}`);
      this.dispatch(link, frame);
    });
  }

  /** Takes a frame of one of the peers that was kept until now. */
  accept(frame: Frame): void {
    const link = this.linkByRoutingId.get(routingIdOf(frame));
    if (link) this.blaming(link, () => this.dispatch(link, frame));
  }

  /** Rejects what is pending, and what comes after, with `error`. The first error counts. */
  fail(error: Error): void {
    if (this.failure) return;
    this.failure = error;
    for (const link of this.links) link.close();
    for (const exchange of [this.joining, ...this.open.values()]) exchange.fail(error);
    this.leaving?.done();
  }

  /**
   * Waits, for a second at most, until all peers have read what this rank sent last: they see the connections close on
   * another way than the frames, which may therefore come second. Nothing to wait for in a generation that broke.
   */
  async leave(): Promise<void> {
    const staying = this.links.filter((link) => !link.left);
    if (this.failure || !this.joined || this.open.size > 0 || staying.length === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, GOODBYE_TIMEOUT_MS);
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      this.leaving = { unanswered: new Set(staying), done };
      for (const link of staying) link.send([encodeFrame(this.sender, { kind: 'goodbye' })]);
    });
  }

  private newExchange(kind: 'hello' | 'announce', tag: OperationTag, plan: ExchangePlan): Exchange {
    return new Exchange(this.sender, kind, tag, plan, this.links, this.timeoutMs, (waitingFor) => {
      const names = waitingFor.map((link) => link.name).join(', ');
      this.fail(
        new CollectiveError(
          `nothing from ${names} for ${this.timeoutMs / 1000} s, ${this.activity()}`,
          waitingFor.map(({ rank }) => rank),
        ),
      );
    });
  }

  private dispatch(link: PeerLink, frame: Frame): void {
    switch (frame.kind) {
      case 'hello':
        this.joining.receive(frame);
        link.slots.offer();
        break;
      case 'offer':
        link.slots.accept(frame.payload);
        break;
      case 'free':
        link.release(frame.payload);
        break;
      case 'goodbye':
        link.left = true;
        link.send([encodeFrame(this.sender, { kind: 'farewell' })]);
        this.answered(link);
        this.failWithoutPeers([link]);
        break;
      case 'farewell':
        if (!this.leaving) throw new FrameError('an answer to a goodbye that was not said');
        this.answered(link);
        break;
      case 'announce':
      case 'data':
      case 'placed':
      case 'acknowledge':
        this.dispatchToOperation(frame);
        break;
    }
  }

  private dispatchToOperation(frame: Frame): void {
    const exchange = this.open.get(describeTag(frame.tag));
    if (exchange) exchange.receive(frame);
    else if (this.newest && compareTags(frame.tag, this.newest) <= 0) this.traffic.staleFrames++;
    else this.keep(frame);
  }

  private keep(frame: Frame): void {
    if (frame.kind !== 'announce')
      throw new FrameError(`values for ${describeTag(frame.tag)}, which this worker has not begun`);
    if (this.early.filter(({ rank }) => rank === frame.rank).length >= MAX_EARLY_FRAMES_PER_PEER)
      throw new FrameError('announcements of too many operations ahead');
    this.early.push(frame);
  }

  /** Runs `take`; what is wrong with the frame breaks the generation in the sender's name. */
  private blaming(link: PeerLink, take: () => void): void {
    try {
      take();
    } catch (error) {
      if (error instanceof FrameError)
        this.fail(new CollectiveError(`${link.name} sent ${error.message}, ${this.activity()}`, [link.rank]));
      else this.fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private lose(link: PeerLink, what: string): void {
    if (link.left || this.leaving) {
      link.close();
      this.answered(link);
    } else
      this.fail(
        new CollectiveError(`${link.name} ${what}, ${this.activity()}; that worker's log says why`, [
          link.rank,
        ]),
      );
  }

  private answered(link: PeerLink): void {
    if (this.leaving?.unanswered.delete(link) && this.leaving.unanswered.size === 0) this.leaving.done();
  }

  private failWithoutPeers(gone: readonly PeerLink[]): void {
    const needed = gone.find((link) =>
      [this.joining, ...this.open.values()].some((exchange) => exchange.isWaitingFor(link)),
    );
    if (needed) this.fail(new CollectiveError(`${needed.name} has left, ${this.activity()}`, [needed.rank]));
  }

  private activity(): string {
    if (!this.joined) return `while the workers of generation ${this.sender.generation} connected`;
    return this.open.size > 0 ? `in ${[...this.open.keys()].join(' and ')}` : 'between two operations';
  }
}

/** Of an endpoint such as tcp://127.0.0.1:5555. */
const hostOf = (endpoint: string) => endpoint.slice(0, endpoint.lastIndexOf(':'));

/** Joining moves no values: the ranks only agree on who they are. */
function joiningPlan(endpoints: readonly string[]): ExchangePlan {
  const announcement = digestOf(endpoints);
  return {
    announcement,
    outgoing: () => [],
    incoming(_rank, theirs) {
      mustAgree(announcement, theirs, 'list of workers');
      return [];
    },
  };
}
