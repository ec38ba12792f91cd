import { stringify } from 'yaml';
import { alertRules, defaultThresholds } from './alerts.js';
import { makeDashboard } from './grafana/dashboard.js';
import { dashboardRows } from './rows.js';
import { selectIn } from './select.js';

/** What the chart's templates put the release in the place of (charts/prospect/templates/monitoring). */
const releaseScope = 'namespace="@NAMESPACE@",prospect_release="@RELEASE@"';
const chartThresholds = {
  noStepFor: '@NO_STEP_FOR@',
  checkpointAgeSeconds: '@CHECKPOINT_AGE_SECONDS@',
  klNats: '@KL_NATS@',
};

/** Every file that is made from the code here, by its path from the root of the repository. */
export function monitoringFiles(): ReadonlyMap<string, string> {
  const everything = selectIn('');
  const release = selectIn(releaseScope);
  return new Map([
    ['deploy/monitoring/alerts.yaml', yaml(alertRules(everything, defaultThresholds))],
    [
      'deploy/monitoring/dashboard.json',
      json(makeDashboard('prospect', 'Prospect', dashboardRows(everything))),
    ],
    ['charts/prospect/files/alerts.yaml', yaml(alertRules(release, chartThresholds))],
    [
      'charts/prospect/files/dashboard.json',
      json(makeDashboard('@UID@', 'Prospect / @NAMESPACE@ / @RELEASE@', dashboardRows(release))),
    ],
  ]);
}

const header = '# Made by `npm run monitoring` from deploy/monitoring/*.ts.\n';
const yaml = (value: unknown) => header + stringify(value, { lineWidth: 0 });
const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
