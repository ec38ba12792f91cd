import { sameNode, type TreeNode } from '../reduction/tree.js';
import {
  encodeFrame,
  FrameError,
  type Frame,
  type FrameContent,
  type Message,
  type Sender,
} from './frame.js';
import type { PeerLink } from './peer-link.js';
import type { Piece } from './pieces.js';
import type { OperationTag } from './tag.js';

/** What an operation sends and what it must receive. Both sides of a pair make the same list of pieces. */
export interface ExchangePlan {
  /** Sent to every peer at the start, at most one payload: what they need to know, or to agree on. */
  readonly announcement: Uint8Array;
  /** The pieces for a peer, in order, where they lie. */
  outgoing(rank: number): Iterable<Piece>;
  /**
   * The pieces that a peer will send, in order, and where they go.
   * @throws FrameError where its announcement does not fit this rank's own.
   */
  incoming(rank: number, announcement: Uint8Array): Iterable<Piece>;
}

interface PeerProgress {
  readonly link: PeerLink;
  announced: boolean;
  /** Pieces that are still to come, and the next of them. */
  incoming: Iterator<Piece>;
  next: Piece | undefined;
  /** How far this rank's own pieces for the peer are; the memory is free again at `nothing` and `acknowledged`. */
  outgoing: 'nothing' | 'sending' | 'sent' | 'acknowledged';
}

/**
 * One operation between all ranks of a generation.
 *
 * Every rank announces the operation to every other; only then, and so never before there is memory for it, does a peer
 * send its pieces. The receiver knows which piece comes next and takes no other; when it has the last it acknowledges,
 * and the sender may write the memory again. Since no rank finishes without everyone's announcement, a peer is at most
 * one operation ahead.
 */
export class Exchange {
  /** Rejects only through `fail`. */
  readonly done: Promise<void>;
  private readonly peers: ReadonlyMap<number, PeerProgress>;
  private readonly timer: NodeJS.Timeout;
  private resolve!: () => void;
  private reject!: (reason: Error) => void;
  private settled = false;

  /** `onStalled` is called with the peers that are waited for once nothing has moved for `timeoutMs`. */
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
    this.timer = setTimeout(() => onStalled(this.waitingFor()), timeoutMs);
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
        this.take(peer, frame);
        break;
      case 'acknowledge':
        if (peer.outgoing !== 'sent') throw new FrameError('an acknowledgement of what was not sent');
        peer.outgoing = 'acknowledged';
        break;
      case 'goodbye':
      case 'farewell':
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
    peer.incoming = this.plan.incoming(peer.link.rank, announcement)[Symbol.iterator]();
    peer.next = nextOf(peer.incoming);
    peer.announced = true;
    const outgoing = this.plan.outgoing(peer.link.rank)[Symbol.iterator]();
    const first = nextOf(outgoing);
    if (!first) return;
    peer.outgoing = 'sending';
    peer.link.send(this.outgoingFrames(peer, first, outgoing));
  }

  private *outgoingFrames(peer: PeerProgress, first: Piece, rest: Iterator<Piece>): Generator<Message> {
    for (let piece: Piece | undefined = first; piece;) {
      const { node, offset, bytes } = piece;
      piece = nextOf(rest);
      if (!piece) peer.outgoing = 'sent';
      this.progressed();
      yield this.frame({ kind: 'data', node, offset, payload: bytes });
    }
  }

  private take(peer: PeerProgress, { node, offset, payload }: Frame): void {
    const { next } = peer;
    if (!next) throw new FrameError('more values than this operation has');
    if (!sameNode(node, next.node) || offset !== next.offset || payload.byteLength !== next.bytes.byteLength)
      throw new FrameError(
        `${describe(node, offset, payload)} instead of ${describe(next.node, next.offset, next.bytes)}`,
      );
    next.bytes.set(payload);
    peer.next = nextOf(peer.incoming);
    if (!peer.next) peer.link.send([this.frame({ kind: 'acknowledge' })]);
  }

  private progressed(): void {
    if (this.settled) return;
    if (this.waitingFor().length > 0) this.timer.refresh();
    else this.settle(() => this.resolve());
  }

  private settle(how: () => void): void {
    this.settled = true;
    clearTimeout(this.timer);
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
  incoming: [][Symbol.iterator](),
  next: undefined,
  outgoing: 'nothing',
});

const isDone = ({ announced, next, outgoing }: PeerProgress) =>
  announced && !next && (outgoing === 'nothing' || outgoing === 'acknowledged');

function nextOf(pieces: Iterator<Piece>): Piece | undefined {
  const result = pieces.next();
  return result.done ? undefined : result.value;
}

const describe = ({ firstLeaf, span }: TreeNode, offset: number, bytes: Uint8Array) =>
  `${bytes.byteLength} bytes at ${offset} of node ${firstLeaf}+${span}`;
