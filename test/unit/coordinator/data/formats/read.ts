import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RawRow } from '../../../../../coordinator/data/formats/raw-row.js';
import { readRows } from '../../../../../coordinator/data/formats/read-rows.js';

/** All rows of a file that is written into `dir` first. */
export async function readContent(
  dir: string,
  name: string,
  content: string | Buffer,
  options: { readonly maxRowBytes?: number } = {},
): Promise<unknown[]> {
  const file = join(dir, name);
  writeFileSync(file, content);
  return parseAll(readRows(file, options));
}

export async function parseAll(rows: AsyncIterable<RawRow>): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const row of rows) values.push(row.parse());
  return values;
}
