import type { Panel, Row } from './panel.js';

/** Grafana's grid is 24 wide. */
const PANELS_PER_LINE = 3;
const WIDTH = 24 / PANELS_PER_LINE;
const HEIGHT = 8;

interface GridPos {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

interface DataSource {
  readonly type: 'prometheus';
  readonly uid: string;
}

interface RowPanel {
  readonly type: 'row';
  readonly id: number;
  readonly title: string;
  readonly collapsed: false;
  readonly gridPos: GridPos;
  readonly panels: readonly never[];
}

interface TimeSeriesPanel {
  readonly type: 'timeseries';
  readonly id: number;
  readonly title: string;
  readonly description: string;
  readonly gridPos: GridPos;
  readonly datasource: DataSource;
  readonly targets: readonly {
    readonly refId: string;
    readonly datasource: DataSource;
    readonly expr: string;
    readonly legendFormat: string;
  }[];
  readonly fieldConfig: {
    readonly defaults: {
      readonly unit: string;
      readonly min?: number;
      readonly max?: number;
      readonly custom: {
        readonly drawStyle: 'line';
        readonly lineWidth: number;
        readonly fillOpacity: number;
        readonly showPoints: 'never';
        readonly spanNulls: boolean;
        readonly stacking: { readonly mode: 'none' | 'normal'; readonly group: 'A' };
      };
    };
    readonly overrides: readonly never[];
  };
  readonly options: {
    readonly legend: {
      readonly displayMode: 'list';
      readonly placement: 'bottom';
      readonly showLegend: boolean;
    };
    readonly tooltip: { readonly mode: 'multi'; readonly sort: 'desc' };
  };
}

/** The part of Grafana's dashboard model (schema version 39, Grafana 10 and later) that is written. */
export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly tags: readonly string[];
  readonly schemaVersion: 39;
  readonly editable: boolean;
  readonly graphTooltip: 1;
  readonly refresh: string;
  readonly time: { readonly from: string; readonly to: string };
  readonly templating: {
    readonly list: readonly {
      readonly name: string;
      readonly label: string;
      readonly type: 'datasource';
      readonly query: 'prometheus';
    }[];
  };
  readonly panels: readonly (RowPanel | TimeSeriesPanel)[];
}

const dataSource: DataSource = { type: 'prometheus', uid: '${datasource}' };

/** Lays rows of panels out from left to right and top to bottom. */
export function makeDashboard(uid: string, title: string, rows: readonly Row[]): Dashboard {
  const panels: (RowPanel | TimeSeriesPanel)[] = [];
  let y = 0;
  for (const row of rows) {
    panels.push({
      type: 'row',
      id: panels.length + 1,
      title: row.title,
      collapsed: false,
      gridPos: { x: 0, y, w: 24, h: 1 },
      panels: [],
    });
    y += 1;
    row.panels.forEach((panel, index) => {
      const x = (index % PANELS_PER_LINE) * WIDTH;
      const line = Math.floor(index / PANELS_PER_LINE);
      const gridPos = { x, y: y + line * HEIGHT, w: WIDTH, h: HEIGHT };
      panels.push(timeSeries(panels.length + 1, panel, gridPos));
    });
    y += Math.ceil(row.panels.length / PANELS_PER_LINE) * HEIGHT;
  }
  return {
    uid,
    title,
    tags: ['prospect'],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    templating: {
      list: [{ name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus' }],
    },
    panels,
  };
}

function timeSeries(id: number, panel: Panel, gridPos: GridPos): TimeSeriesPanel {
  const { title, description, unit, queries, stacked = false, min, max } = panel;
  return {
    type: 'timeseries',
    id,
    title,
    description,
    gridPos,
    datasource: dataSource,
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + index),
      datasource: dataSource,
      expr,
      legendFormat: legend,
    })),
    fieldConfig: {
      defaults: {
        unit,
        ...(min === undefined ? {} : { min }),
        ...(max === undefined ? {} : { max }),
        custom: {
          drawStyle: 'line',
          lineWidth: 1,
          fillOpacity: stacked ? 40 : 0,
          showPoints: 'never',
          spanNulls: false,
          stacking: { mode: stacked ? 'normal' : 'none', group: 'A' },
        },
      },
      overrides: [],
    },
    options: {
      legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  };
}
