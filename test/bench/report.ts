import { formatTable } from '../../deploy/cli/output/table.js';
import type { Machine } from './machine.js';
import type { Sample } from './sample.js';
import { ratioOf, type Suite, type SuiteResult } from './suite.js';

export function machineLine({ cpu, cores, memoryGiB, system, node, load }: Machine): string {
  return `${cores} × ${cpu}, ${memoryGiB} GiB, ${system}, Node ${node}, load ${load.toFixed(1)} before`;
}

/** A suite's figures as a table, and what they do not say. */
export function resultLines({ name, baseline }: Suite, { measurements, notMeasured }: SuiteResult): string[] {
  const compared = measurements.some((measurement) => measurement.baseline !== null);
  const figureNames = [...new Set(measurements.flatMap(({ figures }) => Object.keys(figures)))];
  const header = [name, 'ms', 'quartiles', ...figureNames];
  if (compared) header.push(`${baseline} ms`, 'quartiles', `× ${baseline}`);
  const rows = measurements.map((measurement) => {
    const figures = figureNames.map((figure) => measurement.figures[figure]?.toFixed(2) ?? '');
    const cells = [measurement.name, ...sampleCells(measurement.milliseconds), ...figures];
    if (measurement.baseline !== null) {
      cells.push(...sampleCells(measurement.baseline), ratioOf(measurement)!.toFixed(2));
    }
    return cells;
  });
  return [...formatTable({ header, rows }), ...notMeasured.map((line) => `not measured: ${line}`)];
}

function sampleCells({ median, lowerQuartile, upperQuartile }: Sample): [string, string] {
  return [digits(median), `${digits(lowerQuartile)}–${digits(upperQuartile)}`];
}

const digits = (value: number) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
