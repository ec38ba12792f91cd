import type { MethodConfig } from '../../lib/methods/config.js';
import { needsOf } from '../../lib/methods/needs.js';
import { withControlToken, type ControlTokens } from './control-token.js';
import { BadRow } from './bad-row.js';
import { unpair, type JudgedRow, type PairRow, type Row } from './row.js';
import type { TextTokenizer } from './tokenizer.js';

/** What a file's rows are used for, where completions are looked at one by one. */
export type RowUse =
  /** Every row is an answer with a label. */
  | 'labelled'
  /** Every row is an answer with a score. */
  | 'scored'
  /** Imitation: answers that are not undesirable, and the chosen ones of pairs. */
  | 'desirable'
  /** Every row is an answer, whatever its label. */
  | 'any'
  /** Imitation of both classes, told apart by a control token: answers with a label, and both of a pair. */
  | { readonly control: ControlTokens };

/** The use that a method which looks at completions one by one has for rows. */
export function rowUseOf(config: MethodConfig): RowUse {
  if (config.method === 'csft') {
    return { control: { desirable: config.desirableControl, undesirable: config.undesirableControl } };
  }
  const { labels, scores } = needsOf(config);
  if (scores) return 'scored';
  return labels ? 'labelled' : 'desirable';
}

/**
 * The answers that a row is used as; none for a sound row that there is no use for.
 * @throws BadRow for a row that is of another kind than this use takes. It says how to convert the file.
 */
export function answersFor(use: RowUse, row: Row, tokenizer: TextTokenizer): readonly JudgedRow[] {
  if (typeof use === 'object') {
    const answers = row.kind === 'pair' ? unpair(row) : [withLabel(row)];
    return answers.map((judged) => {
      const token = judged.label === true ? use.control.desirable : use.control.undesirable;
      return { ...judged, answer: withControlToken(judged.answer, token, tokenizer) };
    });
  }
  switch (use) {
    case 'labelled':
      return [withLabel(alone(row))];
    case 'scored':
      return [withScore(alone(row))];
    case 'desirable':
      if (row.kind === 'pair') return [unpair(row)[0]];
      return row.label === false ? [] : [row];
    case 'any':
      return [alone(row)];
  }
}

/** @throws BadRow for a row that is no pair. */
export function requirePair(row: Row): PairRow {
  if (row.kind === 'pair') return row;
  throw new BadRow(
    'holds one answer where a pair is needed, chosen and rejected ' +
      '("prospect data convert --to preference" makes pairs of a prompt\'s desirable and undesirable answers)',
  );
}

function alone(row: Row): JudgedRow {
  if (row.kind === 'judged') return row;
  throw new BadRow(
    'holds a pair, chosen and rejected, where one answer is needed ' +
      '("prospect data convert --to binary" makes a desirable and an undesirable row of it)',
  );
}

function withLabel(row: JudgedRow): JudgedRow {
  if (row.label !== null) return row;
  if (row.score === null) throw new BadRow('label is missing');
  throw new BadRow(
    'label is missing where there is a score ("prospect data convert --to binary --threshold" makes labels of scores)',
  );
}

function withScore(row: JudgedRow): JudgedRow {
  if (row.score === null) throw new BadRow('score is missing');
  return row;
}
