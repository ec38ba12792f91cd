import type { RunConfig } from '../../lib/config/types.js';
import type { CheckpointStore } from '../checkpoints/checkpoint-store.js';
import type { TensorBoardLog } from '../tensorboard/tensorboard-log.js';
import type { ActiveRun } from './active-run.js';
import type { CheckpointWriter } from './checkpoint-writer.js';
import type { MembershipNews } from './membership-news.js';
import type { PreparedStage } from './prepare.js';
import type { RunFiles } from './run-files.js';
import type { StageProgress } from './stage-progress.js';
import type { StageWatch } from './stage-watch.js';
import type { WorkerFleet } from './worker-fleet.js';

/** What a run trains all its stages with. */
export interface Training {
  readonly config: RunConfig;
  readonly fleet: WorkerFleet;
  readonly checkpoints: CheckpointStore;
  readonly writer: CheckpointWriter;
  readonly files: RunFiles;
  readonly news: MembershipNews;
}

/** A stage that is being trained. */
export interface StageContext extends Training {
  readonly run: ActiveRun;
  readonly stage: PreparedStage;
  readonly progress: StageProgress;
  readonly watch: StageWatch;
  readonly board: TensorBoardLog;
}
