import { trainBytePairs } from './byte-pair-encoding.js';

/** Special tokens, in the order of their ids, before all others. */
const specialTokens = ['<|pad|>', '<|system|>', '<|user|>', '<|assistant|>', '<|end|>'] as const;
export const padTokenId = specialTokens.indexOf('<|pad|>');
export const endTokenId = specialTokens.indexOf('<|end|>');

const chatTemplate =
  "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

/** The files `tokenizer.json` and `tokenizer_config.json` of a Hugging Face model directory, and the vocabulary's size. */
export interface TokenizerFiles {
  readonly tokenizer: object;
  readonly tokenizerConfig: object;
}

/** A byte-level BPE tokenizer learnt from `texts`, with a chat template of one special token per role. */
export function makeTokenizer(texts: Iterable<string>, mergeCount: number): TokenizerFiles {
  const { symbols, merges } = trainBytePairs(texts, mergeCount);
  const addedTokens = specialTokens.map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  const vocabulary = [...specialTokens, ...symbols];
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: addedTokens,
      normalizer: null,
      pre_tokenizer: byteLevel,
      post_processor: null,
      decoder: byteLevel,
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab: Object.fromEntries(vocabulary.map((symbol, id) => [symbol, id])),
        merges: merges.map(([left, right]) => `${left} ${right}`),
      },
    },
    tokenizerConfig: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      clean_up_tokenization_spaces: false,
      model_max_length: 256,
      eos_token: '<|end|>',
      pad_token: '<|pad|>',
      chat_template: chatTemplate,
      added_tokens_decoder: Object.fromEntries(addedTokens.map(({ id, ...token }) => [id, token])),
    },
  };
}
