import type { GeneratedToken, GenerateOptions } from '../../../worker/inference/generate.js';
import type { Sequence } from '../../../worker/model/language-model.js';

/** What the command line asks of its inference process, one request at a time. */
export interface Requests {
  /** Sums of completion log-probs, in nats, in the order of the sequences. */
  readonly score: {
    readonly request: { readonly modelDir: string; readonly sequences: readonly Sequence[] };
    readonly progress: never;
    readonly answer: Float64Array;
  };
  /** The tokens after each prompt, without the one that ends a reply; each also as it comes. */
  readonly generate: {
    readonly request: {
      readonly modelDir: string;
      readonly prompts: readonly Int32Array[];
      readonly options: GenerateOptions;
    };
    readonly progress: GeneratedToken;
    readonly answer: Int32Array[];
  };
  /** Writes an adapter's base model with the adapter merged into its weights. */
  readonly merge: {
    readonly request: { readonly modelDir: string; readonly adapterDir: string; readonly targetDir: string };
    readonly progress: never;
    readonly answer: null;
  };
}

export type Kind = keyof Requests;

export type RequestMessage = { readonly [K in Kind]: { readonly kind: K } & Requests[K]['request'] }[Kind];

export type AnswerMessage =
  /** Any number of them come before the answer or the error. */
  | { readonly kind: 'progress'; readonly value: Requests[Kind]['progress'] }
  | { readonly kind: 'answer'; readonly value: Requests[Kind]['answer'] }
  | {
      readonly kind: 'error';
      readonly message: string;
      readonly badInput: boolean;
      readonly defect: boolean;
    };
