import { credentials, type Client, type ServiceError } from '@grpc/grpc-js';
import { RunError } from '../../lib/errors.js';
import { callUnary, connect } from '../../proto/calls.js';
import { referenceService } from '../../proto/services.js';
import { completionLength, type Sequence } from '../model/batch.js';
import type { CompletionLogps } from '../model/completion-logps.js';
import { ownSequences, mismatchedSequences, type Leaf } from '../trainer/work.js';
import { readCompletion, type ReferenceAnswer } from './answer.js';

/** Asks the node's reference replica for whole leaves. */
export class ReferenceClient {
  private readonly client: Client;
  private readonly name: string;

  /** @param byToken ask for the log-probs of every token too */
  constructor(
    socketPath: string,
    private readonly byToken: boolean,
  ) {
    this.client = connect(`unix:${socketPath}`, credentials.createInsecure());
    this.name = `the reference replica at ${socketPath}`;
  }

  /** A leaf's answers, by example: those that came with the work, or else computed by the replica. */
  async answers(leaf: Leaf): Promise<readonly ReferenceAnswer[]> {
    const known = leaf.flatMap(({ reference }) => reference ?? []);
    if (known.length === leaf.length) return known;
    const own = (await this.logps(ownSequences(leaf))).values();
    const mismatched = (await this.logps(mismatchedSequences(leaf))).values();
    return leaf.map((example) => ({
      completions: example.completions.map(() => own.next().value!),
      mismatched: example.mismatched === null ? null : mismatched.next().value!,
    }));
  }

  close(): void {
    this.client.close();
  }

  private async logps(sequences: readonly Sequence[]): Promise<CompletionLogps[]> {
    if (sequences.length === 0) return [];
    const messages = sequences.map(({ ids, completionStart }) => ({ ids: Array.from(ids), completionStart }));
    const request = { sequences: messages, byToken: this.byToken };
    const { completions } = await callUnary(this.client, referenceService.logProbs, request).catch(
      (error: unknown) => {
        // grpc-js rejects with a ServiceError only.
        throw new RunError(`${this.name}: ${(error as ServiceError).details}`);
      },
    );
    if (completions.length !== sequences.length) {
      throw new RunError(`${this.name} gave ${completions.length} answers for ${sequences.length} sequences`);
    }
    return completions.map((message, i) =>
      readCompletion(message, this.byToken ? completionLength(sequences[i]!) : null, this.name),
    );
  }
}
