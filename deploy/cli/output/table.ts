/** A table of text. */
export interface Table {
  readonly header: readonly string[];
  /** By column. By default the first one is set to the left, the others (numbers) to the right. */
  readonly align?: readonly ('left' | 'right')[];
  readonly rows: readonly (readonly string[])[];
}

export function formatTable({ header, align, rows }: Table): string[] {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const formatRow = (cells: readonly string[]) =>
    widths
      .map((width, column) => {
        const cell = cells[column] ?? '';
        const isLeft = align === undefined ? column === 0 : align[column] === 'left';
        return isLeft ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '─'.repeat(width)).join('──');
  return [formatRow(header), rule, ...rows.map(formatRow)];
}

/** A line that fits into a terminal of so many columns. */
export function clipLine(line: string, columns: number): string {
  return line.length <= columns ? line : `${line.slice(0, columns - 1)}…`;
}
