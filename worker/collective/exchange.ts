import { recorded } from '../../lib/profile/recorder.js';
import {
  encodeFrame,
  FrameError,
  type Frame,
  type FrameContent,
  type Message,
  type Sender,
} from './frame.js';
import { IncomingPieces } from './incoming-pieces.js';
import type { PeerLink } from './peer-link.js';
import type { Piece } from './pieces.js';
import type { Readiness } from './readiness.js';
import { decodePlacement, encodePlacement } from './slots.js';
import type { OperationTag } from './tag.js';

/** What an operation sends and what it must receive. Both sides of a pair make the same set of pieces. */
export interface ExchangePlan {
  /** Sent to every peer at the start, at most one payload: what they need to know, or to agree on. */
  readonly announcement: Uint8Array;
  /** The pieces for a peer, where they lie. */
  outgoing(rank: number): Iterable<Piece>;
  /** Which of them may be sent; without it, all. */
  readonly readiness?: PieceReadiness;
  /**
   * The pieces that a peer will send, in whatever order, and where they go.
   * @throws FrameError where its announcement does not fit this rank's own.
   */
  incoming(rank: number, announcement: Uint8Array): Iterable<Piece>;
}

/** Which of the outgoing pieces are final, while the others are still computed. */
export interface PieceReadiness extends Pick<Readiness, 'complete' | 'onGrowth'> {
  isFinal(piece: Piece): boolean;
}

interface PeerProgress {
  readonly link: PeerLink;
  announced: boolean;
  /** The pieces that are still to come from it. */
  readonly incoming: IncomingPieces;
  /** This rank's pieces for it that are not final yet. */
  held: readonly Piece[];
  /** Those that are, and wait for their turn on the link. */
  queued: number;
  /** Pieces so far, by which a profile numbers them. */
  sent: number;
  received: number;
  /** It has not said yet that it has all of this rank's pieces, whose memory must not be written until then. */
  owesAcknowledgement: boolean;
}

/**
 * One operation between all ranks of a generation.
 *
 * Every rank announces the operation to every other; only then, and so never before there is memory for it, does a peer
 * send its pieces, each as soon as it is final. The receiver knows them and takes each exactly once; when it has all it
 * acknowledges, and the sender may write the memory again. Since no rank finishes without everyone's announcement, a peer
 * is at most one operation ahead.
 */
export class Exchange {
  /** Rejects only through `fail`. */
  readonly done: Promise<void>;
  private readonly peers: ReadonlyMap<number, PeerProgress>;
  private readonly timer: NodeJS.Timeout;
  private readonly stopListening: (() => void) | undefined;
  private resolve!: () => void;
  private reject!: (reason: Error) => void;
  private settled = false;

  /**
   * `onStalled` is called with the peers that are waited for once nothing has moved for `timeoutMs`. As long as this rank
   * still computes what it will send, so may the others.
   */
  constructor(
    private readonly sender: Sender,
    private readonly kind: 'hello' | 'announce',
    private readonly tag: OperationTag,
    private readonly plan: ExchangePlan,
    links: readonly PeerLink[],
    timeoutMs: number,
    onStalled: (waitingFor: readonly PeerLink[]) => void,
  ) {
    this.peers = new Map(links.map((link) => [link.rank, notStarted(link)]));
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.timer = setTimeout(() => {
      if (this.plan.readiness?.complete === false) this.timer.refresh();
      else onStalled(this.waitingFor());
    }, timeoutMs);
    this.stopListening = plan.readiness?.onGrowth(() => this.releaseAll());
  }

  start(): void {
    const announcement = this.frame({ kind: this.kind, payload: this.plan.announcement });
    for (const { link } of this.peers.values()) link.send([announcement]);
    this.progressed();
  }

  /** @throws FrameError where the frame is not what its sender should send next. */
  receive(frame: Frame): void {
    const peer = this.peers.get(frame.rank)!;
    switch (frame.kind) {
      case 'hello':
      case 'announce':
        this.beginWith(peer, frame.payload);
        break;
      case 'data':
      case 'placed':
        this.take(peer, frame);
        break;
      case 'acknowledge':
        if (!peer.owesAcknowledgement || peer.held.length + peer.queued > 0)
          throw new FrameError('an acknowledgement of what was not sent');
        peer.owesAcknowledgement = false;
        break;
      case 'goodbye':
      case 'farewell':
      case 'offer':
      case 'free':
        throw new FrameError(`a ${frame.kind} inside of an operation`);
    }
    this.progressed();
  }

  fail(error: Error): void {
    this.settle(() => this.reject(error));
  }

  isWaitingFor(link: PeerLink): boolean {
    const peer = this.peers.get(link.rank);
    return peer !== undefined && !isDone(peer);
  }

  private beginWith(peer: PeerProgress, announcement: Uint8Array): void {
    if (peer.announced) throw new FrameError('the same announcement twice');
    peer.incoming.expect(this.plan.incoming(peer.link.rank, announcement));
    peer.announced = true;
    peer.held = [...this.plan.outgoing(peer.link.rank)];
    peer.owesAcknowledgement = peer.held.length > 0;
    this.release(peer);
  }

  private releaseAll(): void {
    for (const peer of this.peers.values()) this.release(peer);
    this.progressed();
  }

  /** Sends what has become final. */
  private release(peer: PeerProgress): void {
    const { readiness } = this.plan;
    const final: Piece[] = [];
    const held: Piece[] = [];
    for (const piece of peer.held)
      (readiness === undefined || readiness.isFinal(piece) ? final : held).push(piece);
    if (final.length === 0) return;
    peer.held = held;
    peer.queued += final.length;
    peer.link.send(this.frames(peer, final));
  }

  private *frames(peer: PeerProgress, pieces: readonly Piece[]): Generator<Message, undefined> {
    for (const { node, offset, bytes } of pieces) {
      peer.queued--;
      this.progressed();
      const message = () => {
        const placement = peer.link.place(bytes);
        return placement === null
          ? this.frame({ kind: 'data', node, offset, payload: bytes })
          : this.frame({ kind: 'placed', node, offset, payload: encodePlacement(placement) });
      };
      yield recorded('piece sent', message, peer.sent++);
    }
  }

  private take(peer: PeerProgress, { kind, node, offset, payload }: Frame): void {
    const { link, incoming } = peer;
    const copy = () => {
      if (kind === 'placed') {
        const placement = decodePlacement(payload);
        link.read(placement, incoming.take(node, offset, placement.byteLength));
      } else incoming.take(node, offset, payload.byteLength).set(payload);
    };
    recorded('piece received', copy, peer.received++);
    if (incoming.left === 0) link.send([this.frame({ kind: 'acknowledge' })]);
  }

  private progressed(): void {
    if (this.settled) return;
    if (this.waitingFor().length > 0) this.timer.refresh();
    else this.settle(() => this.resolve());
  }

  private settle(how: () => void): void {
    this.settled = true;
    clearTimeout(this.timer);
    this.stopListening?.();
    how();
  }

  private waitingFor(): PeerLink[] {
    return [...this.peers.values()].filter((peer) => !isDone(peer)).map(({ link }) => link);
  }

  private frame(content: Partial<FrameContent> & Pick<FrameContent, 'kind'>): Message {
    return encodeFrame(this.sender, { ...content, tag: this.tag });
  }
}

const notStarted = (link: PeerLink): PeerProgress => ({
  link,
  announced: false,
  incoming: new IncomingPieces(),
  held: [],
  queued: 0,
  sent: 0,
  received: 0,
  owesAcknowledgement: false,
});

const isDone = ({ announced, incoming, owesAcknowledgement }: PeerProgress) =>
  announced && incoming.left === 0 && !owesAcknowledgement;
