import { ConfigError } from '../../../lib/errors.js';
import { BadRow } from '../bad-row.js';

/** A row as it stands in the file. */
export interface RawRow {
  /** 0-based, blank lines not counted. */
  readonly row: number;
  /** For messages: `file:line`, or `file[row]` in a file without lines. */
  readonly where: string;
  /**
   * @param textColumns columns, in small letters, whose cells are text whatever they look like, beside the usual ones;
   * for CSV, which does not tell a number from its digits
   * @throws BadRow for bytes that say nothing that this format can.
   */
  parse(textColumns?: ReadonlySet<string>): unknown;
}

/** Bounds the memory that a file without row ends can claim. JSON text of this size still fits a JavaScript string. */
export const MAX_ROW_BYTES = 2 ** 27;

export function rowTooLong(where: string, maxBytes: number): ConfigError {
  return new ConfigError(`${where}: more than ${maxBytes} bytes in one row`);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** @throws BadRow for bytes that are not JSON in UTF-8. */
export function parseJson(bytes: Buffer): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new BadRow('not UTF-8 text');
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new BadRow('not JSON');
  }
}
