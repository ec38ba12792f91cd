import { setTimeout as delay } from 'node:timers/promises';
import { credentials, status, type Client, type ServiceError } from '@grpc/grpc-js';
import type { ReferenceModel } from '../../lib/config/reference-model.js';
import { ConfigError, RunError } from '../../lib/errors.js';
import { callUnary, connect } from '../../proto/calls.js';
import { referenceService, type v1 } from '../../proto/services.js';
import { completionLength, type Sequence } from '../model/batch.js';
import type { CompletionLogps } from '../model/completion-logps.js';
import { ownSequences, mismatchedSequences, type Leaf } from '../trainer/work.js';
import { readCompletion, type ReferenceAnswer } from './answer.js';

/** Told how the replica does. */
export interface ReferenceObserver {
  /** A stage opens whose method compares with this model: it will be asked for soon. */
  wanted(stage: number, model: ReferenceModel): void;
  /** There is an answer; `cached` where nobody computed it: it came with the work, or the replica had it on its disk. */
  answered(cached: boolean): void;
  /** It is gone; what is asked of it waits for the next one. */
  lost(reason: string): void;
  /** It answers again. */
  back(): void;
}

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 2_000;

/** What is asked of the replica, beside the leaves. */
export interface ReferenceQuestion {
  readonly model: ReferenceModel;
  /** For the log-probs of every token too. */
  readonly byToken: boolean;
  /** A prompt is computed once for its own completion and for the mismatched one. */
  readonly sharePrompts: boolean;
}

/** How soon the channel tries a socket again that refused; grpc-js would wait for up to two minutes. */
const reconnecting = {
  'grpc.initial_reconnect_backoff_ms': FIRST_RETRY_MS,
  'grpc.max_reconnect_backoff_ms': LONGEST_RETRY_MS,
};

/**
 * Asks the node's reference replica for whole leaves. A replica that is gone is started again, on the same socket, and is
 * asked again until it answers, as is one that serves another model still: a leaf has no deadline, as it may take
 * minutes. One that hangs is killed by whoever watches it; where nobody does, the channel's pings find it out.
 */
export class ReferenceClient {
  private readonly client: Client;
  private readonly name: string;
  private readonly closing = new AbortController();
  private isLost = false;

  constructor(
    socketPath: string,
    private readonly question: ReferenceQuestion,
    private readonly observer: Pick<ReferenceObserver, 'answered' | 'lost' | 'back'>,
  ) {
    this.client = connect(`unix:${socketPath}`, credentials.createInsecure(), reconnecting);
    this.name = `the reference replica at ${socketPath}`;
  }

  /** A leaf's answers, by example: those that came with the work, or else computed by the replica. */
  async answers(leaf: Leaf): Promise<readonly ReferenceAnswer[]> {
    const known = leaf.flatMap(({ reference }) => reference ?? []);
    if (known.length === leaf.length) {
      this.observer.answered(true);
      return known;
    }
    const own = ownSequences(leaf);
    const mismatched = mismatchedSequences(leaf);
    const logps = this.question.sharePrompts
      ? await this.logps([...own, ...mismatched], mismatched.length)
      : [...(await this.logps(own)), ...(await this.logps(mismatched))];
    const ofOwn = logps.slice(0, own.length).values();
    const ofMismatched = logps.slice(own.length).values();
    return leaf.map((example) => ({
      completions: example.completions.map(() => ofOwn.next().value!),
      mismatched: example.mismatched === null ? null : ofMismatched.next().value!,
    }));
  }

  /** Rejects whatever still waits for an answer. */
  close(): void {
    this.closing.abort();
    this.client.close();
  }

  /** @param branches so many of the last sequences complete prompts of those before them */
  private async logps(sequences: readonly Sequence[], branches = 0): Promise<CompletionLogps[]> {
    if (sequences.length === 0) return [];
    const messages = sequences.map(({ ids, completionStart }) => ({ ids: Array.from(ids), completionStart }));
    const { model, byToken } = this.question;
    const { completions, cached } = await this.ask({
      sequences: messages,
      branches,
      byToken,
      model: { directory: model.modelDir, adapterDirectory: model.adapterDir ?? '' },
    });
    if (completions.length !== sequences.length) {
      throw new RunError(`${this.name} gave ${completions.length} answers for ${sequences.length} sequences`);
    }
    this.observer.answered(cached);
    return completions.map((message, i) =>
      readCompletion(message, byToken ? completionLength(sequences[i]!) : null, this.name),
    );
  }

  /**
   * Asks until there is an answer.
   * @throws ConfigError where the replica cannot load the model; RunError where it refuses, or this client is closed
   */
  private async ask(request: v1.LogProbsRequest.$Properties): Promise<v1.LogProbsResponse> {
    const { signal } = this.closing;
    for (let retryMs = FIRST_RETRY_MS; ; retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS)) {
      this.requireOpen();
      try {
        const response = await callUnary(this.client, referenceService.logProbs, request, { signal });
        if (this.isLost) this.observer.back();
        this.isLost = false;
        return response;
      } catch (error) {
        this.requireOpen();
        // grpc-js rejects with a ServiceError only.
        const { code, details } = error as ServiceError;
        if (code === status.FAILED_PRECONDITION) throw new ConfigError(`${this.name}: ${details}`);
        if (!meansLost(code, details)) throw new RunError(`${this.name}: ${details}`);
        if (!this.isLost) this.observer.lost(details);
        this.isLost = true;
        // Ends at once where this client is closed, as the next turn then sees.
        await delay(retryMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  private requireOpen(): void {
    if (this.closing.signal.aborted) throw new RunError(`${this.name} is not needed any more`);
  }
}

/**
 * Whether a call failed because the replica went away. It cancels what it is asked when it is told to end; and where the
 * connection breaks while a request is still being written, grpc-js says INTERNAL, in these words of its own.
 */
function meansLost(code: status, details: string): boolean {
  if (code === status.UNAVAILABLE || code === status.CANCELLED) return true;
  return code === status.INTERNAL && details.startsWith('Received RST_STREAM');
}
