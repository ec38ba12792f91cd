import { credentials, status, type Client, type ServiceError } from '@grpc/grpc-js';
import { RunError } from '../../lib/errors.js';
import { callUnary, connect } from '../../proto/calls.js';
import { referenceService } from '../../proto/services.js';
import type { Sequence } from '../model/language-model.js';
import { PeerLostError } from '../peer-lost-error.js';
import { mismatchedSequences, type Leaf } from '../trainer/work.js';

/** The reference's log-probs of one leaf, in leaf order. */
export interface ReferenceAnswers {
  readonly own: readonly number[];
  /** Null where the example has no mismatched pair. */
  readonly mismatched: readonly (number | null)[];
}

/** Asks the node's reference replica for whole leaves. */
export class ReferenceClient {
  private readonly client: Client;

  constructor(private readonly socketPath: string) {
    this.client = connect(`unix:${socketPath}`, credentials.createInsecure());
  }

  /** A leaf's answers: those that came with the work, or else computed by the replica. */
  async answers(leaf: Leaf): Promise<ReferenceAnswers> {
    if (leaf.every(isAnswered)) {
      return {
        own: leaf.map(({ referenceLogp }) => referenceLogp!),
        mismatched: leaf.map(({ mismatchedReferenceLogp }) => mismatchedReferenceLogp),
      };
    }
    const pairs = mismatchedSequences(leaf);
    const own = await this.logps(leaf.map((example) => example.own));
    const answered = pairs.length === 0 ? [] : await this.logps(pairs);
    let next = 0;
    const mismatched = leaf.map((example) => (example.mismatched === null ? null : answered[next++]!));
    return { own, mismatched };
  }

  close(): void {
    this.client.close();
  }

  private async logps(sequences: readonly Sequence[]): Promise<number[]> {
    const request = {
      sequences: sequences.map(({ ids, completionStart }) => ({ ids: Array.from(ids), completionStart })),
    };
    const response = await callUnary(this.client, referenceService.logProbs, request).catch(
      (error: unknown) => {
        // grpc-js rejects with a ServiceError only.
        const { code, details } = error as ServiceError;
        const kind = code === status.UNAVAILABLE ? PeerLostError : RunError;
        throw new kind(`reference replica at ${this.socketPath}: ${details}`);
      },
    );
    const { logps } = response;
    if (logps.length !== sequences.length || !logps.every(Number.isFinite)) {
      throw new RunError(
        `reference replica at ${this.socketPath} gave ${logps.length} answers for ${sequences.length} sequences`,
      );
    }
    return logps;
  }
}

function isAnswered({ referenceLogp, mismatched, mismatchedReferenceLogp }: Leaf[number]): boolean {
  return referenceLogp !== null && (mismatched === null || mismatchedReferenceLogp !== null);
}
