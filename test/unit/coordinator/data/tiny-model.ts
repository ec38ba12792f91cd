import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** A byte-level BPE over the few bytes that the tests write, in which each letter is its own token. */
const TOKENS = [
  ...['</s>', '<s>', 'a', 'b', 'c', '7', '8', 'Ġ', 'Â', '²', 'ï', '»', '¿', 'ħ', 'Ċ'],
  ...['ĠÂ', 'Â²', 'Ġï', '78', 'Âħ', 'ĠĠ', 'ab'],
];
const MERGES = ['Ġ Â', 'Â ²', 'Ġ ï', '7 8', 'Â ħ', 'Ġ Ġ', 'a b'];
export const BYTE_LEVEL = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };

export const idOf = (token: string): number => TOKENS.indexOf(token);
export const idsOf = (...tokens: readonly string[]): number[] => tokens.map(idOf);
export const VOCAB_SIZE = TOKENS.length;

export function tinyTokenizer(preTokenizer: unknown = BYTE_LEVEL): Record<string, unknown> {
  return {
    version: '1.0',
    added_tokens: ['</s>', '<s>'].map((content) => ({
      id: idOf(content),
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: preTokenizer,
    post_processor: null,
    decoder: { type: 'ByteLevel' },
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(TOKENS.map((token, id) => [token, id])),
      merges: MERGES,
      byte_fallback: false,
    },
  };
}

/** An empty directory, removed after the test. */
export function temporaryDirectory(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'prospect-data-'));
  t.after(() => rmSync(dir, { recursive: true }));
  return dir;
}

/** A model directory of the given files; those left out are the tiny tokenizer's. Text is written as it is. */
export function modelDirectory(
  t: TestContext,
  files: Readonly<Record<string, unknown>> = { 'tokenizer_config.json': { eos_token: '</s>' } },
): string {
  const dir = temporaryDirectory(t);
  for (const [name, content] of Object.entries<unknown>({ 'tokenizer.json': tinyTokenizer(), ...files })) {
    if (content === undefined) continue;
    writeFileSync(join(dir, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return dir;
}
