/** Columns of the formats that we know whose cells are text, whatever the text looks like. */
const TEXT_COLUMNS: ReadonlySet<string> = new Set([
  ...['prompt', 'completion', 'chosen', 'rejected'],
  ...['history', 'human_ref_A', 'human_ref_B'],
  ...['instruction', 'input', 'output', 'system'],
]);

/**
 * What a cell stands for. CSV has only text: a list of messages is written as JSON; in the columns that are not text,
 * so are numbers, truth values and lists, and other text stays text.
 */
export function cellValue(column: string, cell: string): unknown {
  const value = parse(cell);
  if (TEXT_COLUMNS.has(column)) return isMessageList(value) ? value : cell;
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
