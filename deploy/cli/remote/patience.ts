import { setTimeout as delay } from 'node:timers/promises';
import { formatDuration } from '../output/numbers.js';
import type { Output } from '../output/terminal.js';
import { CoordinatorLost, getCoordinator } from '../runs/run-client.js';
import type { Coordinator } from './coordinator.js';

/** Where it is said that the coordinator is gone, and that it is back. */
export interface Announcer {
  line(text: string): void;
  warning(text: string): void;
}

export function announcerOf({ line, style }: Output): Announcer {
  return { line, warning: (text) => line(`${style.yellow('warning:')} ${text}`) };
}

export interface PatienceTimes {
  /** How long a coordinator that is gone is waited for. */
  readonly limitMs: number;
  /** From one question whether it is back to the next. */
  readonly askEveryMs: number;
}

const defaultTimes: PatienceTimes = { limitMs: 600_000, askEveryMs: 1_000 };

/** Longest time for an answer of a coordinator that is waited for. */
const answerMs = 10_000;

/**
 * Asks a coordinator as often as it takes: one that goes away, because it is started again or the network fails, is
 * waited for, which is said once. What is asked again must go on where it was.
 */
export class Patience {
  constructor(
    private readonly coordinator: Pick<Coordinator, 'client' | 'address'>,
    private readonly announcer: Announcer,
    private readonly signal: AbortSignal,
    private readonly times: PatienceTimes = defaultTimes,
  ) {}

  /** What `attempt` returns. @throws CoordinatorLost where the coordinator stays away; the signal's reason */
  async call<T>(attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        await this.wait(error);
      }
    }
  }

  /** All that the streams give which `open` opens one after the other. */
  async *stream<T>(open: () => AsyncIterable<T>): AsyncGenerator<T> {
    for (;;) {
      try {
        yield* open();
        return;
      } catch (error) {
        await this.wait(error);
      }
    }
  }

  /** Resolves once the coordinator is back. Throws anything else than its loss. */
  private async wait(error: unknown): Promise<void> {
    this.signal.throwIfAborted();
    if (!(error instanceof CoordinatorLost) || !error.mayReturn) throw error;
    const { limitMs, askEveryMs } = this.times;
    const deadlineMs = Date.now() + limitMs;
    this.announcer.warning(
      `the coordinator at ${this.coordinator.address} has gone away: waiting for it, up to ${formatDuration(limitMs)}`,
    );
    for (;;) {
      await delay(askEveryMs, undefined, { signal: this.signal }).catch(() => this.signal.throwIfAborted());
      if (await this.answers()) break;
      if (Date.now() > deadlineMs) throw error;
    }
    this.announcer.line('the coordinator is back');
  }

  private async answers(): Promise<boolean> {
    try {
      await getCoordinator(this.coordinator.client, {
        signal: AbortSignal.any([this.signal, AbortSignal.timeout(answerMs)]),
      });
      return true;
    } catch (error) {
      this.signal.throwIfAborted();
      if (error instanceof CoordinatorLost || isTimeout(error)) return false;
      throw error;
    }
  }
}

const isTimeout = (error: unknown) => error instanceof DOMException && error.name === 'TimeoutError';
