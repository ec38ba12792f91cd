import { formatPercent } from '../output/numbers.js';
import type { Table } from '../output/table.js';
import type { Evaluation } from './evaluate.js';
import type { ClassStatistics, FeedbackStatistics } from './statistics.js';

const header = ['held-out rows', 'before', 'after'];

/** The before/after table of held-out rows. */
export function evaluationTable(evaluation: Evaluation): Table {
  if (evaluation.method === 'sft') {
    const { before, after } = evaluation;
    return { header, rows: [['log-prob per token', fixed(before.logpPerToken), fixed(after.logpPerToken)]] };
  }
  const { before, after } = evaluation;
  const row = (name: string, value: (statistics: FeedbackStatistics) => string) => [
    name,
    value(before),
    value(after),
  ];
  const classRow = (
    name: string,
    of: 'desirable' | 'undesirable',
    value: (statistics: ClassStatistics) => string,
  ) => row(name, ({ [of]: statistics }) => (statistics === null ? '–' : value(statistics)));
  return {
    header,
    rows: [
      row('z0 (KL estimate, nats)', ({ z0 }) => fixed(z0)),
      classRow('thumbs up: above z0', 'desirable', (up) => formatPercent(up.rightSideShare)),
      classRow('thumbs down: below z0', 'undesirable', (down) => formatPercent(down.rightSideShare)),
      classRow('thumbs up: mean reward', 'desirable', (up) => fixed(up.meanReward)),
      classRow('thumbs down: mean reward', 'undesirable', (down) => fixed(down.meanReward)),
      classRow('thumbs up: log-prob per token', 'desirable', (up) => fixed(up.logpPerToken)),
      classRow('thumbs down: log-prob per token', 'undesirable', (down) => fixed(down.logpPerToken)),
    ],
  };
}

function fixed(value: number): string {
  return value.toFixed(3);
}
