import type { StageView } from '../../../coordinator/page/view/run-view.js';
import type { v1 } from '../../../proto/services.js';
import { watchRun } from '../runs/run-client.js';
import { pageLink, type Coordinator } from './coordinator.js';
import { checkpointJson, isoTime, runJson } from './run-json.js';
import { readStory, type RunStory } from './run-story.js';

/** All that is known of a run now. */
export interface RunStatus {
  readonly run: v1.Run;
  readonly story: RunStory;
  /** Null where it cannot be seen from here. */
  readonly page: string | null;
}

export async function readStatus(run: v1.Run, coordinator: Coordinator): Promise<RunStatus> {
  const story = await readStory(watchRun(coordinator.client, run.id, { historyOnly: true }));
  return { run, story, page: pageLink(coordinator, run.id) };
}

/** As `--json` prints it. */
export function statusJson({ run, story, page }: RunStatus) {
  const { view, lastStep } = story;
  const stage = view.stages.at(-1);
  return {
    ...runJson(run),
    startedAt: view.startedAtMs === null ? null : isoTime(view.startedAtMs),
    stage: stage === undefined ? null : stageJson(stage),
    crew: view.workers.map(({ id, state, reason, sinceMs }) => ({
      id,
      state,
      reason,
      since: isoTime(sinceMs),
    })),
    lastMetrics: lastStep,
    checkpoint: checkpointJson(story),
    conditions: view.conditions.map(({ key, text, sinceMs }) => ({
      condition: key,
      text,
      since: isoTime(sinceMs),
    })),
    page,
  };
}

const stageJson = ({ number, count, method, step, totalSteps }: StageView) => ({
  number,
  count,
  method,
  step,
  totalSteps,
});
