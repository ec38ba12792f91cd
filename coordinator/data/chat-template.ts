import { Template } from '@huggingface/jinja';
import { ConfigError, messageOf } from '../../lib/errors.js';
import type { ChatMessage } from './row.js';

/**
 * Hides the clock from the template, which then takes the fixed date that templates with a date in them fall back to:
 * the same data must give the same ids tomorrow. (The line break ends the block and is not written.)
 */
const WITHOUT_CLOCK = '{% set strftime_now = undefined %}\n';

/** A model's own way to write a conversation as text. */
export class ChatTemplate {
  readonly #template: Template;
  readonly #variables: Readonly<Record<string, unknown>>;

  /**
   * @param variables the special tokens, by the names that templates know them by (`bos_token`, …)
   * @throws ConfigError for a source that does not parse.
   */
  constructor(modelDir: string, source: string, variables: Readonly<Record<string, string>>) {
    try {
      this.#template = new Template(WITHOUT_CLOCK + source);
    } catch (error) {
      throw new ConfigError(`cannot parse the chat template of ${modelDir}: ${messageOf(error)}`);
    }
    this.#variables = { ...variables, tools: null, documents: null };
  }

  /** @throws Error whatever the template raises for messages that it does not take. */
  render(messages: readonly ChatMessage[], addGenerationPrompt: boolean): string {
    return this.#template.render({
      ...this.#variables,
      messages,
      add_generation_prompt: addGenerationPrompt,
    });
  }
}
