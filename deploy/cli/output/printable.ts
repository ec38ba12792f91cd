/** What moves the cursor, colours, or reorders what is around it; and halves of characters. */
const notPrintable = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** A text that others wrote, a model for one, as one line that does to a terminal nothing but be shown. */
export function printable(text: string): string {
  return text.replaceAll(/\s/gu, ' ').replaceAll(notPrintable, '').replaceAll(/ +/gu, ' ').trim();
}

/** The end of a text, of at most this many characters. */
export function endOf(text: string, length: number): string {
  const characters = Array.from(text);
  return characters.length <= length ? text : `…${characters.slice(1 - length).join('')}`;
}

/** The beginning of a text, of at most this many characters. */
export function beginningOf(text: string, length: number): string {
  const characters = Array.from(text);
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join('')}…`;
}
