/** Paints text for a terminal, or leaves it as it is. */
export type Style = Readonly<Record<keyof typeof codes, (text: string) => string>>;

/** ANSI select-graphic-rendition codes: on, off. (`util.styleText` asks standard output whether to paint; we decide.) */
const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
} as const;

export function createStyle(coloured: boolean): Style {
  const paint =
    ([on, off]: readonly [number, number]) =>
    (text: string) =>
      coloured && text !== '' ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  return {
    bold: paint(codes.bold),
    dim: paint(codes.dim),
    red: paint(codes.red),
    green: paint(codes.green),
    yellow: paint(codes.yellow),
  };
}
