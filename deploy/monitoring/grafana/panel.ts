/** Units by Grafana's own ids. */
export type Unit = 'short' | 's' | 'bytes' | 'percentunit' | 'none';

export interface Query {
  readonly expr: string;
  /** With labels as `{{worker}}`. */
  readonly legend: string;
}

export interface Panel {
  readonly title: string;
  /** What a reader should see in it, or worry about. */
  readonly description: string;
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** Draws the series upon each other. */
  readonly stacked?: boolean;
  readonly min?: number;
  readonly max?: number;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}
