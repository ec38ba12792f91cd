const DELIMITERS = [',', ';', '\t'] as const;
export type Delimiter = (typeof DELIMITERS)[number];

/** What sets the names of the header apart: of a comma, a semicolon and a tab, the one that it has most of. */
export function findDelimiter(head: Buffer): Delimiter {
  const [header = ''] = head
    .toString('utf8')
    .replace(/^[\ufeff\r\n]+/, '')
    .split(/\r?\n/, 1);
  const unquoted = header.replace(/"[^"]*"/g, '');
  const count = (delimiter: Delimiter) => unquoted.split(delimiter).length;
  return DELIMITERS.reduce((most, other) => (count(other) > count(most) ? other : most));
}
