/**
 * `@huggingface/tokenizers` splits text with JavaScript's `\d` and `\s` in two of its pre-tokenizers, where the Rust
 * library that models are trained with means Unicode: "m²" or a byte order mark would get other ids. Its `Split` does
 * translate regular expressions, so those two are put as the Split that they stand for.
 */
export function withUnicodeSplits(
  tokenizer: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return { ...tokenizer, pre_tokenizer: rewrite(tokenizer['pre_tokenizer'] ?? null) };
}

/** GPT-2's split, which `ByteLevel` does before it maps bytes to characters. */
const GPT2_SPLIT = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

function rewrite(node: unknown): unknown {
  if (!isNode(node)) return node;
  switch (node['type']) {
    case 'Sequence': {
      const parts = node['pretokenizers'];
      return Array.isArray(parts) ? { ...node, pretokenizers: parts.map(rewrite) } : node;
    }
    case 'Digits':
      return split(node['individual_digits'] === true ? String.raw`\p{N}` : String.raw`\p{N}+`);
    case 'ByteLevel': {
      // A prefix space goes in front of the text, before it is split.
      if (node['use_regex'] === false || node['add_prefix_space'] === true) return node;
      return { type: 'Sequence', pretokenizers: [split(GPT2_SPLIT), { ...node, use_regex: false }] };
    }
    default:
      return node;
  }
}

function split(regex: string): unknown {
  return { type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false };
}

function isNode(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
