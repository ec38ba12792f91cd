import type { LabelOf, SeriesName } from './metrics.js';

/** Label matchers as PromQL writes them, to be told apart from a plain value: `=~"running|recovering"`. */
type Matcher = string | { readonly oneOf: readonly string[] };

export type Select = <Series extends SeriesName>(
  series: Series,
  matchers?: { readonly [Label in LabelOf<Series>]?: Matcher },
) => string;

/**
 * Makes PromQL selectors of known metrics and their labels only.
 * @param scope matchers that every selector gets, such as `namespace="a",prospect_release="b"`; empty for none
 */
export function selectIn(scope: string): Select {
  return (series, matchers = {}) => {
    const own = Object.entries<Matcher | undefined>(matchers).map(([label, matcher]) =>
      typeof matcher === 'object' ? `${label}=~"${matcher.oneOf.join('|')}"` : `${label}="${matcher ?? ''}"`,
    );
    const all = scope === '' ? own : [...own, scope];
    return all.length === 0 ? series : `${series}{${all.join(',')}}`;
  };
}
