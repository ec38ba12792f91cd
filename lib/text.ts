/** Longest piece of foreign text that an error message repeats, in characters. */
const MAX_QUOTED = 200;

/** Foreign text as a part of a one-line message: without control characters and not too long. */
export function oneLine(text: string): string {
  return withoutControls(text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text);
}

/** Foreign text in full, without what would end a line or what a terminal would obey. */
export function withoutControls(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
}

/** A foreign name in quotes, as a part of a one-line message. */
export function quote(name: string): string {
  return `"${oneLine(name)}"`;
}
