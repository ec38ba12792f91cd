import { Router, type Context } from 'zeromq';

import { publicKeyOf } from './curve.js';

/** Where ZeroMQ asks whether a peer may connect: RFC 27 (ZAP). */
const ENDPOINT = 'inproc://zeromq.zap.01';
const VERSION = '1.0';

/** Strangers may connect as often as they like: how many wait is bounded. */
const MAX_WAITING = 1024;

interface Waiting {
  readonly publicKey: string;
  readonly answer: (isMember: boolean) => void;
  readonly timer: NodeJS.Timeout;
}

/** Says of every peer that connects to the sockets of a context whether it may: members of the generation, by their keys. */
export class Admission {
  private members: ReadonlySet<string> = new Set();
  private readonly waiting = new Set<Waiting>();
  private readonly answering: Promise<void>;
  /** A socket takes one send at a time. */
  private sending: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly router: Router,
    private readonly onRefused: () => void,
    private readonly patienceMs: number,
  ) {
    this.answering = this.answerAll();
  }

  /**
   * @param onRefused called for each peer that is turned away
   * @param patienceMs how long a peer waits whose key is not known: it may be in a generation already that this worker is
   *   about to be told of. Less than the 30 s after which ZeroMQ breaks a handshake off.
   */
  static async open(context: Context, onRefused: () => void, patienceMs: number): Promise<Admission> {
    const router = new Router({ context, linger: 0 });
    await router.bind(ENDPOINT);
    return new Admission(router, onRefused, patienceMs);
  }

  /** From now on these may connect, and no others. */
  setMembers(publicKeys: readonly string[]): void {
    this.members = new Set(publicKeys);
    for (const one of this.waiting) if (this.members.has(one.publicKey)) this.settle(one, true);
  }

  async close(): Promise<void> {
    for (const { timer } of this.waiting) clearTimeout(timer);
    this.waiting.clear();
    this.router.close();
    await Promise.all([this.answering, this.sending]);
  }

  private async answerAll(): Promise<void> {
    try {
      while (!this.router.closed) this.consider(await this.router.receive());
    } catch (error) {
      // Closing the socket ends the pending receive with an error.
      if (!this.router.closed) throw error;
    }
  }

  private consider([from, delimiter, , requestId, , , , mechanism, credentials]: Buffer[]): void {
    const answer = (isMember: boolean) => {
      const verdict = isMember ? ['200', ''] : ['400', 'not a worker of this run'];
      this.send([from!, delimiter!, VERSION, requestId!, ...verdict, '', '']);
      if (!isMember) this.onRefused();
    };
    const publicKey = mechanism?.toString() === 'CURVE' ? publicKeyOf(credentials ?? Buffer.alloc(0)) : '';
    if (this.members.has(publicKey)) answer(true);
    else if (publicKey === '' || this.waiting.size >= MAX_WAITING) answer(false);
    else this.letWait(publicKey, answer);
  }

  private letWait(publicKey: string, answer: Waiting['answer']): void {
    const timer = setTimeout(() => this.settle(one, false), this.patienceMs);
    const one = { publicKey, answer, timer };
    this.waiting.add(one);
  }

  private settle(one: Waiting, isMember: boolean): void {
    clearTimeout(one.timer);
    this.waiting.delete(one);
    one.answer(isMember);
  }

  private send(reply: (Buffer | string)[]): void {
    const { router } = this;
    this.sending = this.sending
      .then(() => router.send(reply))
      .catch((error: unknown) => {
        // Whoever is still waiting when the socket is closed gets no answer.
        if (!router.closed) throw error;
      });
  }
}
