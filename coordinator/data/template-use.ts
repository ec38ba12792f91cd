import type { TextTokenizer } from './tokenizer.js';

/**
 * Whether a prompt of plain text is none that the model's chat template wrote, though there is one, which the model will be
 * asked with later. (What it wrote has its marks, which are special tokens.)
 */
export function missesTemplate(promptIds: Int32Array, tokenizer: TextTokenizer): boolean {
  if (!tokenizer.hasChatTemplate) return false;
  const decode = (skipSpecialTokens: boolean) => tokenizer.decode(promptIds, { skipSpecialTokens });
  // A text may have a special token before it, which the tokenizer puts there.
  return decode(false).endsWith(decode(true));
}
