import { BadRow } from '../../coordinator/data/bad-row.js';
import { asColumns } from '../../coordinator/data/columns.js';
import { mapRows } from '../../coordinator/data/formats/map-rows.js';
import type { RawRow } from '../../coordinator/data/formats/raw-row.js';
import { encodePrompt, parsePrompt, type EncodedPrompt, type Prompt } from '../../coordinator/data/prompt.js';
import { TextStream } from '../../coordinator/data/text-stream.js';
import { TextTokenizer } from '../../coordinator/data/tokenizer.js';
import { ConfigError } from '../../lib/errors.js';
import { setUpTensorFlow } from '../tensorflow/setup.js';
import { withInference } from './inference/session.js';
import type { Terminal } from './output/terminal.js';

/** Where the prompts come from. */
export type PromptSource =
  /** A user's message where the model has a chat template, unless `raw`; else text. */
  | { readonly text: string; readonly raw: boolean }
  /** Rows with a prompt, as for training. */
  | { readonly file: string };

export interface GenerateCommand {
  /** Hugging Face directory, or an adapter's. */
  readonly model: string;
  readonly source: PromptSource;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number;
}

/** What becomes of a prompt. */
export interface Reply {
  /** From 0. */
  readonly index: number;
  /** As the model read it. */
  readonly prompt: string;
  readonly completion: string;
  readonly completion_tokens: number;
  /** The model ended it, or the greatest length did. */
  readonly finish_reason: 'stop' | 'length';
}

/** Told of the replies while they come. */
export interface ReplyWatcher {
  /** A piece of the reply to prompt `index`. */
  onText?(index: number, text: string): void;
  /** In the order of the prompts. */
  onReply(reply: Reply): void;
}

export interface Speed {
  /** Of all replies. */
  readonly tokens: number;
  /** From the first token on. */
  readonly seconds: number;
}

/** `prospect generate`: lets a model answer prompts. */
export async function generate(
  { model, source, maxTokens, temperature, topP, seed }: GenerateCommand,
  watcher: ReplyWatcher,
  { err }: Terminal,
): Promise<Speed> {
  const tokenizer = TextTokenizer.load(model);
  const prompts = await readPrompts(source, tokenizer);
  await setUpTensorFlow({ check: false, log: err.line });
  const replies = new Replies(prompts, tokenizer, maxTokens, watcher);
  const options = { maxNewTokens: maxTokens, temperature, topP, seed, stopIds: [tokenizer.eosId] };
  const request = { modelDir: model, prompts: prompts.map(({ ids }) => ids), options };
  await withInference((inference) =>
    inference('generate', request, ({ prompt, token }) => replies.take(prompt, token)),
  );
  return replies.finish();
}

async function readPrompts(source: PromptSource, tokenizer: TextTokenizer): Promise<EncodedPrompt[]> {
  if ('text' in source) {
    const isMessage = tokenizer.hasChatTemplate && !source.raw;
    return [encodeText(isMessage ? [{ role: 'user', content: source.text }] : source.text, tokenizer)];
  }
  const prompts: EncodedPrompt[] = [];
  const encode = (raw: RawRow) => encodePrompt(parsePrompt(asColumns(raw.parse())), tokenizer);
  for await (const mapped of mapRows(source.file, encode)) {
    if (mapped.kind === 'bad') throw new ConfigError(`${mapped.raw.where}: ${mapped.reason}`);
    prompts.push(mapped.value);
  }
  if (prompts.length === 0) throw new ConfigError(`${source.file}: holds no row`);
  return prompts;
}

function encodeText(prompt: Prompt, tokenizer: TextTokenizer): EncodedPrompt {
  try {
    return encodePrompt(prompt, tokenizer);
  } catch (error) {
    if (error instanceof BadRow) throw new ConfigError(`--prompt: ${error.message}`);
    throw error;
  }
}

interface OpenReply {
  readonly index: number;
  readonly prompt: string;
  readonly stream: TextStream;
  hasEnded: boolean;
}

/** Makes text of the tokens, which come for several prompts in turn, and replies in the order of the prompts. */
class Replies {
  readonly #replies: readonly OpenReply[];
  readonly #maxTokens: number;
  readonly #watcher: ReplyWatcher;
  #reported = 0;
  #firstTokenMs: number | null = null;

  constructor(
    prompts: readonly EncodedPrompt[],
    tokenizer: TextTokenizer,
    maxTokens: number,
    watcher: ReplyWatcher,
  ) {
    this.#replies = prompts.map(({ text }, index) => ({
      index,
      prompt: text,
      stream: new TextStream(tokenizer),
      hasEnded: false,
    }));
    this.#maxTokens = maxTokens;
    this.#watcher = watcher;
  }

  take(index: number, token: number | null): void {
    this.#firstTokenMs ??= performance.now();
    const reply = this.#replies[index]!;
    if (token === null) reply.hasEnded = true;
    else this.#show(reply, reply.stream.push(token));
    this.#report((next) => next.hasEnded || next.stream.tokens >= this.#maxTokens);
  }

  /** Call it when no more tokens come: where the model has no position left, a reply ends without a word. */
  finish(): Speed {
    this.#report(() => true);
    const nowMs = performance.now();
    return {
      tokens: this.#replies.reduce((sum, { stream }) => sum + stream.tokens, 0),
      seconds: (nowMs - (this.#firstTokenMs ?? nowMs)) / 1000,
    };
  }

  #show({ index }: OpenReply, text: string): void {
    if (text !== '') this.#watcher.onText?.(index, text);
  }

  #report(isComplete: (reply: OpenReply) => boolean): void {
    for (let next = this.#replies[this.#reported]; next !== undefined && isComplete(next);) {
      const { index, prompt, stream, hasEnded } = next;
      this.#show(next, stream.end());
      this.#watcher.onReply({
        index,
        prompt,
        completion: stream.text,
        completion_tokens: stream.tokens,
        finish_reason: hasEnded ? 'stop' : 'length',
      });
      this.#reported += 1;
      next = this.#replies[this.#reported];
    }
  }
}
