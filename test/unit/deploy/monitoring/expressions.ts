import { parse } from 'yaml';

import type { RuleFile } from '../../../../deploy/monitoring/alerts.js';
import { monitoringFiles } from '../../../../deploy/monitoring/files.js';
import type { Dashboard } from '../../../../deploy/monitoring/grafana/dashboard.js';

export interface Expression {
  /** Where it stands, for messages. */
  readonly of: string;
  readonly expr: string;
}

/** Every PromQL expression in a file that deploy/monitoring makes. */
export function expressionsOf(path: string): Expression[] {
  const content = monitoringFiles().get(path);
  if (content === undefined) throw new Error(`deploy/monitoring makes no ${path}`);
  return path.endsWith('.json') ? ofDashboard(content) : ofRules(content);
}

function ofDashboard(content: string): Expression[] {
  const { panels } = JSON.parse(content) as Dashboard;
  return panels.flatMap((panel) =>
    panel.type === 'row' ? [] : panel.targets.map(({ expr }) => ({ of: panel.title, expr })),
  );
}

function ofRules(content: string): Expression[] {
  const { groups } = parse(content) as RuleFile;
  return groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => ({ of: alert, expr })));
}
