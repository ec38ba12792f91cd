/** Columns of the formats that we know whose cells are text, whatever the text looks like; in small letters. */
const TEXT_COLUMNS: ReadonlySet<string> = new Set([
  ...['prompt', 'completion', 'chosen', 'rejected'],
  ...['history', 'human_ref_a', 'human_ref_b'],
  ...['instruction', 'input', 'output', 'system'],
  ...['question', 'query', 'request', 'answer', 'reply', 'response'],
]);

/**
 * What a cell stands for. CSV has only text: a list of messages is written as JSON; in the columns that are not text,
 * so are numbers, truth values and lists, and other text stays text.
 * @param textColumns further columns of text, in small letters
 */
export function cellValue(column: string, cell: string, textColumns?: ReadonlySet<string>): unknown {
  const value = parse(cell);
  const name = column.toLowerCase();
  if (TEXT_COLUMNS.has(name) || textColumns?.has(name) === true) return isMessageList(value) ? value : cell;
  return value === undefined ? cell : value;
}

/** undefined for what is not JSON. Truth values may have any case: Python writes True and False. */
function parse(cell: string): unknown {
  const text = /^\s*(true|false)\s*$/i.test(cell) ? cell.toLowerCase() : cell;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isMessageList(value: unknown): boolean {
  const isMessage = (item: unknown): boolean =>
    typeof item === 'object' && item !== null && ('role' in item || 'from' in item);
  return Array.isArray(value) && value.length > 0 && value.every(isMessage);
}
