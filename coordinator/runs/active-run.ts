import type { Logger } from '../../lib/log.js';
import type { ClusterSettings } from '../cluster/settings.js';
import type { OpenCrews } from '../cluster/cluster-service.js';
import type { Journal } from '../journal/journal.js';
import type { RunRecord } from '../journal/records.js';
import type { Launcher } from '../launch/launcher.js';
import type { RunTelemetry } from '../telemetry/run-telemetry.js';
import type { Telemetry } from '../telemetry/telemetry.js';

/** What the coordinator lends to every run. */
export interface RunServices {
  readonly journal: Journal;
  readonly launcher: Launcher;
  readonly crews: OpenCrews;
  readonly telemetry: Telemetry;
  readonly cluster: ClusterSettings;
  readonly log: Logger;
}

/** A run that is being executed. */
export interface ActiveRun extends RunServices {
  readonly record: RunRecord;
  /** What is measured of it. */
  readonly measured: RunTelemetry;
  /** Aborted with the reason when the run is stopped or has failed: everything that waits, waits with it. */
  readonly signal: AbortSignal;
  /** Makes the run fail. */
  readonly fail: (error: Error) => void;
}

export function notify(run: ActiveRun, text: string, { warning = false, condition = '' } = {}): void {
  run.journal.addEvent(run.record.id, { notice: { text, warning, condition } });
}
