import type { Columns } from '../../columns.js';
import type { Source } from '../source.js';

/** TRL's own columns, judged alone or in pairs, which need no change. */
export const trl: Source = {
  name: 'trl',
  matches: (row) => isTokenized(row) || isJudged(row) || isPair(row) || hasImplicitPrompt(row),
  toRows: (row) => [row],
};

const isTokenized = (row: Columns) => 'prompt_ids' in row;
const isJudged = (row: Columns) => 'prompt' in row && 'completion' in row;
const isPair = (row: Columns) => 'prompt' in row && 'chosen' in row && 'rejected' in row;
const hasImplicitPrompt = ({ chosen, rejected }: Columns) => Array.isArray(chosen) && Array.isArray(rejected);
