/**
 * Trains a byte-level BPE vocabulary as GPT-2's (Sennrich et al. 2016; Radford et al. 2019): the most frequent pair of
 * neighbouring symbols inside words becomes a symbol, again and again.
 */
export interface BytePairEncoding {
  /** Symbols in the order of their ids: the 256 bytes, then one per merge. */
  readonly symbols: readonly string[];
  readonly merges: readonly (readonly [string, string])[];
}

/** GPT-2's splitting of text into words; a symbol never crosses a word's border. */
const wordPattern = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** A word of the corpus, as its symbols so far. */
interface Word {
  readonly count: number;
  readonly symbols: string[];
}

/** Learns at most `mergeCount` merges; fewer where no pair occurs twice. */
export function trainBytePairs(texts: Iterable<string>, mergeCount: number): BytePairEncoding {
  const words = countWords(texts);
  const merges: [string, string][] = [];
  while (merges.length < mergeCount) {
    const pair = mostFrequentPair(words);
    if (pair === null) break;
    merges.push(pair);
    for (const word of words) applyMerge(word.symbols, pair);
  }
  return { symbols: [...byteSymbols, ...merges.map(([left, right]) => left + right)], merges };
}

/** GPT-2's printable stand-in for each byte: itself where it is printable, else a character from 256 on. */
const byteSymbols: readonly string[] = (() => {
  const printable = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
})();

function countWords(texts: Iterable<string>): Word[] {
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const [word] of text.matchAll(wordPattern)) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].map(([word, count]) => ({
    count,
    symbols: Array.from(Buffer.from(word, 'utf8'), (byte) => byteSymbols[byte]!),
  }));
}

/** Ties go to the pair that comes first in the order of code points, so that training repeats exactly. */
function mostFrequentPair(words: readonly Word[]): [string, string] | null {
  const counts = new Map<string, number>();
  for (const { count, symbols } of words) {
    for (let at = 1; at < symbols.length; at++) {
      // A space never occurs in a symbol: its stand-in does.
      const pair = `${symbols[at - 1]!} ${symbols[at]!}`;
      counts.set(pair, (counts.get(pair) ?? 0) + count);
    }
  }
  let best = '';
  let bestCount = 1;
  for (const [pair, count] of counts) {
    if (count > bestCount || (count === bestCount && pair < best)) {
      best = pair;
      bestCount = count;
    }
  }
  const [left, right] = best.split(' ');
  return left === undefined || right === undefined ? null : [left, right];
}

function applyMerge(symbols: string[], [left, right]: readonly [string, string]): void {
  for (let at = 0; at + 1 < symbols.length; at++) {
    if (symbols[at] === left && symbols[at + 1] === right) symbols.splice(at, 2, left + right);
  }
}
