import { BadRow } from '../../bad-row.js';
import type { Columns } from '../../columns.js';
import type { Source } from '../source.js';

/**
 * Stanford Human Preferences: a post (`history`) and two comments, of which readers scored one higher. `labels` is 1
 * where that is comment A.
 */
export const shp: Source = {
  name: 'shp',
  matches: (row) => ['history', 'human_ref_A', 'human_ref_B'].every((column) => column in row),
  toRows: (row) => [toRow(row)],
};

function toRow(row: Columns): Columns {
  const [chosen, rejected] = prefersA(row) ? ['human_ref_A', 'human_ref_B'] : ['human_ref_B', 'human_ref_A'];
  return {
    prompt: [message(row, 'user', 'history')],
    chosen: [message(row, 'assistant', chosen)],
    rejected: [message(row, 'assistant', rejected)],
  };
}

function prefersA({ labels, score_A: scoreA, score_B: scoreB }: Columns): boolean {
  if (labels === 0 || labels === 1) return labels === 1;
  if (typeof scoreA !== 'number' || typeof scoreB !== 'number') {
    throw new BadRow('neither labels nor scores tell which comment is preferred');
  }
  if (scoreA === scoreB) throw new BadRow('both comments have the same score');
  return scoreA > scoreB;
}

function message(row: Columns, role: string, column: string) {
  const content = row[column];
  if (typeof content !== 'string') throw new BadRow(`${column} is not text`);
  return { role, content };
}
