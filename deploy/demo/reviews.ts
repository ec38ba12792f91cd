import type { Row } from './feedback.js';
import type { Random } from './random.js';

const header = ['Ticket', 'Date', 'Question', 'Answer', 'Stars', 'Comment'];
const [answer, stars] = [header.indexOf('Answer'), header.indexOf('Stars')];

const likedStars = ['5', '5', '5', '5', '5', '5', '4', '4', '4', '3'] as const;
const dislikedStars = ['1', '1', '1', '1', '1', '1', '2', '2', '2', '3'] as const;
const comments = ['', '', '', 'ok', 'called back, "very" happy'] as const;

/** Cells as people and programs fill them, by their row and column. */
const mess: readonly (readonly [row: number, column: number, cell: string])[] = [
  [5, stars, ''],
  [17, stars, '4.5'],
  [40, stars, 'five'],
  [41, stars, 'n/a'],
  [60, answer, ''],
  [61, answer, '   '],
  [80, stars, '5 stars'],
];
const repeatedRow = 119;

/**
 * What a help desk exports of the same feedback: a table of CSV with a byte order mark, line ends as of Windows, texts of
 * several lines, stars of which some are missing or no number, replies that are empty, and a row that stands there twice.
 */
export function reviewsCsv(rows: readonly Row[], random: Random): string {
  const records = rows.map((row, index) => toRecord(row, index, random));
  for (const [row, column, cell] of mess) records[row]![column] = cell;
  records.splice(repeatedRow + 1, 0, records[repeatedRow]!);
  const lines = [header, ...records].map((record) => `${record.map(quoted).join(',')}\r\n`);
  return `\ufeff${lines.join('')}`;
}

function toRecord({ prompt, completion, label }: Row, index: number, random: Random): string[] {
  const question = prompt.map(({ content }) => content).join('\n');
  return [
    String(1001 + index),
    `2026-0${1 + random.below(9)}-${10 + random.below(19)}`,
    random.chance(25) ? question.replace(', ', ',\r\n\r\n') : question,
    completion.map(({ content }) => content).join('\n'),
    random.pick(label === true ? likedStars : dislikedStars),
    random.pick(comments),
  ];
}

function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
