import type { GenerateOptions } from '../../../worker/inference/generate.js';
import type { Sequence } from '../../../worker/model/language-model.js';

/** What the command line asks of its inference process, one request at a time. */
export interface Requests {
  /** Sums of completion log-probs, in nats, in the order of the sequences. */
  readonly score: {
    readonly request: { readonly modelDir: string; readonly sequences: readonly Sequence[] };
    readonly answer: Float64Array;
  };
  /** The tokens after each prompt, without the one that ends a reply. */
  readonly generate: {
    readonly request: {
      readonly modelDir: string;
      readonly prompts: readonly Int32Array[];
      readonly options: GenerateOptions;
    };
    readonly answer: Int32Array[];
  };
  /** Writes an adapter's base model with the adapter merged into its weights. */
  readonly merge: {
    readonly request: { readonly modelDir: string; readonly adapterDir: string; readonly targetDir: string };
    readonly answer: null;
  };
}

export type Kind = keyof Requests;

export type RequestMessage = { readonly [K in Kind]: { readonly kind: K } & Requests[K]['request'] }[Kind];

export type AnswerMessage =
  | { readonly kind: 'answer'; readonly value: Requests[Kind]['answer'] }
  | {
      readonly kind: 'error';
      readonly message: string;
      readonly badInput: boolean;
      readonly defect: boolean;
    };
