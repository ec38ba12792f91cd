import { columnsRead, NO_NAMES, type NamedColumns } from '../../../coordinator/data/convert/columns-read.js';
import { detectSource } from '../../../coordinator/data/convert/detect.js';
import type { Source } from '../../../coordinator/data/convert/source.js';
import { surveyFile, type ColumnSurvey, type Survey } from '../../../coordinator/data/inspect/survey.js';
import { ConfigError } from '../../../lib/errors.js';
import { formatTable } from '../output/table.js';
import type { Terminal } from '../output/terminal.js';
import { wrapText } from '../output/wrap.js';
import { describeSource } from './convert.js';
import { reasonLines } from './reasons.js';

/** `prospect data inspect` without a model: what stands in the columns of a file, and how to make rows for training of it. */
export async function inspectColumns(file: string, { out }: Terminal): Promise<void> {
  const survey = await surveyFile(file);
  out.line(`${file}: ${survey.rows} rows`);
  for (const line of columnLines(survey, out.columns())) out.line(line);
  for (const line of reasonLines(survey.bad)) out.line(line);
  out.line('');
  for (const line of await adviceLines(file, survey)) out.line(line);
}

/** A line for a column, or several where its values take more than the width. */
function columnLines({ columns }: Survey, width: number): string[] {
  if (columns.size === 0) return [];
  const entries = [...columns];
  const [header = '', rule = '', ...lines] = formatTable({
    header: ['column', 'filled'],
    rows: entries.map(([name, { filled }]) => [name, String(filled)]),
  });
  const indent = header.length + 2;
  const valueLines = entries.flatMap(([, column], i) =>
    wrapText(valuesOf(column), Math.max(MOST_SHOWN, width - indent)).map(
      (values, j) => (j === 0 ? `${lines[i]!}  ` : ' '.repeat(indent)) + values,
    ),
  );
  return [`${header}  values`, `${rule}────────`, ...valueLines];
}

/** The values of a column that has few of them, the most frequent first; else the first one. */
function valuesOf({ values, hasMore }: ColumnSurvey): string {
  const counted = [...values].toSorted(([, a], [, b]) => b - a);
  if (!hasMore) return counted.map(([value, count]) => `${shortened(value)} ×${count}`).join(', ');
  const [first = ''] = values.keys();
  return `${shortened(first)}, …`;
}

/** Characters of a value. */
const MOST_SHOWN = 48;

const shortened = (value: string) =>
  value.length <= MOST_SHOWN ? value : `${value.slice(0, MOST_SHOWN - 2)}…"`;

async function adviceLines(file: string, survey: Survey): Promise<string[]> {
  try {
    const source = await detectSource(file);
    const columns = await columnsRead(file, NO_NAMES);
    return [describeSource('read as', source, columns), ...nextSteps(file, source, columns, survey)];
  } catch (error) {
    if (error instanceof ConfigError) return [error.message];
    throw error;
  }
}

function nextSteps(
  file: string,
  { name }: Source,
  { label, score }: NamedColumns,
  survey: Survey,
): readonly string[] {
  if (name === 'trl' && label !== null) {
    return ['fit for training as they are; with --model DIR, their lengths in tokens are shown'];
  }
  if (name === 'table' && label === null && score === null) {
    return ['no column of a label or a score is known: name it with --label-column or --score-column'];
  }
  const graded = label === null && score !== null ? survey.columns.get(score) : undefined;
  const options = graded === undefined ? '' : ` --threshold ${middleOf(graded)} --neutral 0`;
  return [
    'rows for kto of them:',
    `  prospect data convert ${file} --to binary${options} --out feedback.jsonl`,
  ];
}

/** Of the scale that the scores lie on. */
function middleOf({ values }: ColumnSurvey): number {
  const scores = [...values.keys()].map(Number).filter((score) => Number.isFinite(score));
  return scores.length === 0 ? 0 : (Math.min(...scores) + Math.max(...scores)) / 2;
}
