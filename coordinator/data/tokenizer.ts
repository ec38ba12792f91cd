import { ConfigError, messageOf } from '../../lib/errors.js';
import { ChatTemplate } from './chat-template.js';
import type { ChatMessage } from './row.js';
import { readTokenizerFiles, type TokenizerFiles } from './tokenizer-files.js';
import { createLibraryTokenizer, type LibraryTokenizer } from './tokenizer-library.js';

/** A model's own tokenizer and chat template, as its directory holds them. */
export class TextTokenizer {
  /** Ends every completion. */
  readonly eosId: number;
  /** Token ids lie below this: the rows of the model's embedding. null where `config.json` does not say. */
  readonly vocabSize: number | null;
  readonly #modelDir: string;
  readonly #library: LibraryTokenizer;
  readonly #template: ChatTemplate | null;

  private constructor(modelDir: string, files: TokenizerFiles) {
    const { config, chatTemplate, vocabSize } = files;
    this.#modelDir = modelDir;
    this.#library = createTokenizer(modelDir, files);
    const eos = findEos(modelDir, files, this.#library);
    this.eosId = eos.id;
    this.vocabSize = vocabSize;
    this.#template =
      chatTemplate === null
        ? null
        : new ChatTemplate(modelDir, chatTemplate, {
            bos_token: config.bos_token ?? '',
            eos_token: eos.token,
            pad_token: config.pad_token ?? '',
            unk_token: config.unk_token ?? '',
          });
  }

  /** @throws ConfigError for a directory without a tokenizer that this program can use. */
  static load(modelDir: string): TextTokenizer {
    return new TextTokenizer(modelDir, readTokenizerFiles(modelDir));
  }

  /**
   * With `specialTokens`, what the post-processor of `tokenizer.json` puts around a text (a BOS, say) is added; as in
   * transformers ≥ 5, `add_bos_token` in `tokenizer_config.json` has no say beside it.
   */
  encode(text: string, { specialTokens }: { readonly specialTokens: boolean }): number[] {
    return this.#library.encode(text, { add_special_tokens: specialTokens }).ids;
  }

  decode(ids: Iterable<number>, { skipSpecialTokens }: { readonly skipSpecialTokens: boolean }): string {
    const list = [...ids];
    return list.length === 0 ? '' : this.#library.decode(list, { skip_special_tokens: skipSpecialTokens });
  }

  /** Whether conversations can be written as text. */
  get hasChatTemplate(): boolean {
    return this.#template !== null;
  }

  /**
   * The text of a conversation. It holds its own special tokens: encode it without more.
   * @throws ConfigError for a model without a chat template.
   * @throws Error whatever the template raises for messages that it does not take.
   */
  applyChatTemplate(
    messages: readonly ChatMessage[],
    { addGenerationPrompt }: { readonly addGenerationPrompt: boolean },
  ): string {
    if (this.#template === null) {
      throw new ConfigError(
        `${this.#modelDir} has no chat template, which rows of messages need: ` +
          'add chat_template.jinja to it, or give prompt and completion as text',
      );
    }
    return this.#template.render(messages, addGenerationPrompt);
  }
}

function createTokenizer(modelDir: string, files: TokenizerFiles): LibraryTokenizer {
  // The library's own default for the clean-up is that of transformers 4.
  const cleanUp = files.config.clean_up_tokenization_spaces ?? false;
  try {
    return createLibraryTokenizer(files.tokenizer, {
      ...files.config,
      clean_up_tokenization_spaces: cleanUp,
    });
  } catch (error) {
    throw new ConfigError(`cannot use ${modelDir}/tokenizer.json: ${messageOf(error)}`);
  }
}

function findEos(
  modelDir: string,
  { config, modelEosId }: TokenizerFiles,
  library: LibraryTokenizer,
): { id: number; token: string } {
  const named = config.eos_token ?? null;
  const id = named === null ? modelEosId : (library.token_to_id(named) ?? null);
  const token = id === null ? null : (library.id_to_token(id) ?? null);
  if (id !== null && token !== null) return { id, token };
  throw new ConfigError(
    named === null
      ? `${modelDir} names no end-of-sequence token: set eos_token in its tokenizer_config.json`
      : `${modelDir}/tokenizer_config.json: eos_token "${named}" is not in tokenizer.json`,
  );
}
