/** Longest piece of foreign text that an error message repeats, in characters. */
const MAX_QUOTED = 200;

/** Foreign text as a part of a one-line message: without control characters and not too long. */
export function oneLine(text: string): string {
  const clipped = text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text;
  return clipped.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
}

/** A foreign name in quotes, as a part of a one-line message. */
export function quote(name: string): string {
  return `"${oneLine(name)}"`;
}
