import type { LabelOf, SeriesName } from './metrics.js';

export type Select = <Series extends SeriesName>(
  series: Series,
  matchers?: { readonly [Label in LabelOf<Series>]?: string },
) => string;

/**
 * Makes PromQL selectors of known metrics and their labels only.
 * @param scope matchers that every selector gets, such as `namespace="a",prospect_release="b"`; empty for none
 */
export function selectIn(scope: string): Select {
  return (series, matchers = {}) => {
    const own = Object.entries<string | undefined>(matchers).map(
      ([label, value]) => `${label}="${value ?? ''}"`,
    );
    const all = scope === '' ? own : [...own, scope];
    return all.length === 0 ? series : `${series}{${all.join(',')}}`;
  };
}
