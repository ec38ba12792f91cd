import type { TextTokenizer } from './tokenizer.js';

/** Stands for the bytes of a character that further tokens complete. */
const INCOMPLETE = '\ufffd';

/** The text of token ids that come one by one. */
export class TextStream {
  readonly #tokenizer: Pick<TextTokenizer, 'decode'>;
  readonly #ids: number[] = [];
  #handedOut = '';

  constructor(tokenizer: Pick<TextTokenizer, 'decode'>) {
    this.#tokenizer = tokenizer;
  }

  /** All text so far. */
  get text(): string {
    return this.#tokenizer.decode(this.#ids, { skipSpecialTokens: true });
  }

  get tokens(): number {
    return this.#ids.length;
  }

  /** Takes in a token; returns the text that has become certain. */
  push(id: number): string {
    this.#ids.push(id);
    const { text } = this;
    return text.endsWith(INCOMPLETE) ? '' : this.#handOut(text);
  }

  /** The rest, complete or not. */
  end(): string {
    return this.#handOut(this.text);
  }

  #handOut(text: string): string {
    const further = text.slice(this.#handedOut.length);
    this.#handedOut = text;
    return further;
  }
}
