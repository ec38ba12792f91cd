import { v1 } from '../../proto/services.js';
import type { CrewMember } from '../cluster/crew-member.js';
import { actionFor } from '../cluster/failure-policy.js';
import { isCovered, newestGroup, type HeldGroup } from '../cluster/held-state.js';
import { notify } from './active-run.js';
import type { StageContext } from './stage-context.js';

/** The state that a generation starts from, and where it is. */
export interface StartingState {
  readonly step: number;
  readonly source: v1.StateSource;
  /** Directory; empty where another source is meant. */
  readonly checkpoint: string;
  /** Who holds it already; null where nobody does. */
  readonly holders: HeldGroup | null;
}

const { STATE_SOURCE_INITIAL, STATE_SOURCE_MEMBERS, STATE_SOURCE_CHECKPOINT } = v1.StateSource;
const initial: StartingState = { step: 0, source: STATE_SOURCE_INITIAL, checkpoint: '', holders: null };

/**
 * The latest state that these members can start from: what they hold between them, the newest sound checkpoint, or the
 * stage's start. Null where it pays to wait for a worker that may hold more.
 */
export async function findStartingState(
  context: StageContext,
  members: readonly CrewMember[],
): Promise<StartingState | null> {
  const { run, stage, fleet, progress, checkpoints } = context;
  const { committed } = progress;
  if (committed === 0) return initial;
  const wanted = { stage: stage.number, atMostStep: committed };
  const group = newestGroup(
    members.map(({ held }) => held),
    wanted,
    isCovered,
  );
  if (group?.step === committed) return heldBy(group);
  const action = actionFor({ kind: 'state-lost', holderMayCome: fleet.crew.holderMayCome });
  if (action === 'wait') return null;

  const { found, refused } = await checkpoints.newestSound(wanted);
  for (const { directory, reason } of refused) {
    notify(run, `the checkpoint ${directory} is not used: ${reason}`, { warning: true });
  }
  const { step: foundStep = 0, directory = '' } = found ?? {};
  if (group !== null && group.step >= foundStep && group.step > 0) return heldBy(group);
  if (foundStep === 0) return initial;
  return { step: foundStep, source: STATE_SOURCE_CHECKPOINT, checkpoint: directory, holders: null };
}

function heldBy(group: HeldGroup): StartingState {
  return { step: group.step, source: STATE_SOURCE_MEMBERS, checkpoint: '', holders: group };
}
