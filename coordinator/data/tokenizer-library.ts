import { Tokenizer as Library } from '@huggingface/tokenizers';
import { withUnicodeSplits } from './pre-tokenizer.js';

/**
 * What is used of `@huggingface/tokenizers`. Its own declarations import each other without file extensions, which
 * NodeNext does not resolve.
 */
export interface LibraryTokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  /** At least one id. */
  decode(ids: number[], options: { skip_special_tokens: boolean }): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
}

/**
 * @param tokenizer `tokenizer.json`
 * @param config `tokenizer_config.json`
 * @throws Error for a part of a tokenizer that the library does not have.
 */
export function createLibraryTokenizer(
  tokenizer: Readonly<Record<string, unknown>>,
  config: Readonly<Record<string, unknown>>,
): LibraryTokenizer {
  const Tokenizer = Library as unknown as new (tokenizer: object, config: object) => LibraryTokenizer;
  return new Tokenizer(withUnicodeSplits(tokenizer), config);
}
