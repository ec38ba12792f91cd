import { gzipSync } from 'node:zlib';
import type { SchemaElement } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';

/** A row of text with its judgement, or of messages. */
export type WrittenRow = Readonly<Record<string, unknown>>;

/** The same rows as the content of a file of every format, by the file's name. */
export function inAllFormats(rows: readonly WrittenRow[]): ReadonlyMap<string, Buffer> {
  const text = new Map([
    ['rows.jsonl', toJsonLines(rows)],
    ['rows.json', Buffer.from(JSON.stringify(rows))],
    ['pretty.json', Buffer.from(JSON.stringify(rows, null, 2))],
    ['rows.csv', Buffer.from(toCsv(rows, ','))],
    ['semicolons.csv', Buffer.from(toCsv(rows, ';'))],
    ['rows.tsv', Buffer.from(toCsv(rows, '\t'))],
  ]);
  const gzipped = [...text].map(([name, content]) => [`${name}.gz`, gzipSync(content)] as const);
  return new Map([...text, ...gzipped, ['rows.parquet', toParquet(rows)]]);
}

export function toJsonLines(rows: readonly unknown[]): Buffer {
  return Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}

function toCsv(rows: readonly WrittenRow[], delimiter: string): string {
  const columns = columnsOf(rows);
  const records = rows.map((row) => columns.map((column) => toCell(row[column])).join(delimiter));
  return [columns.join(delimiter), ...records].map((record) => `${record}\r\n`).join('');
}

function toCell(value: unknown): string {
  if (value === undefined) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return `"${text.replaceAll('"', '""')}"`;
}

/** Lists of messages become lists of structs, as Hugging Face's datasets writes them. */
export function toParquet(
  rows: readonly WrittenRow[],
  options: { readonly rowGroupSize?: number; readonly pageSize?: number } = {},
): Buffer {
  const columns = columnsOf(rows).map((name) => ({ name, data: rows.map((row) => row[name] ?? null) }));
  const schema = columns.flatMap(({ name, data }) =>
    schemaOf(
      name,
      data.find((value) => value !== null),
    ),
  );
  const root: SchemaElement = { name: 'root', num_children: columns.length };
  return Buffer.from(parquetWriteBuffer({ schema: [root, ...schema], columnData: columns, ...options }));
}

const TEXT = { type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' } as const;

function schemaOf(name: string, example: unknown): SchemaElement[] {
  if (typeof example === 'string') return [{ name, ...TEXT }];
  if (typeof example === 'boolean') return [{ name, type: 'BOOLEAN', repetition_type: 'OPTIONAL' }];
  if (typeof example === 'number') return [{ name, type: 'DOUBLE', repetition_type: 'OPTIONAL' }];
  return [
    { name, converted_type: 'LIST', num_children: 1, repetition_type: 'OPTIONAL' },
    { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
    { name: 'element', num_children: 2, repetition_type: 'OPTIONAL' },
    { name: 'role', ...TEXT },
    { name: 'content', ...TEXT },
  ];
}

function columnsOf(rows: readonly WrittenRow[]): string[] {
  return [...new Set(rows.flatMap((row) => Object.keys(row)))];
}
