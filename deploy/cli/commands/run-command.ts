import { Command } from 'commander';
import type { v1 } from '../../../proto/services.js';
import { withCoordinator, type Coordinator } from '../remote/coordinator.js';
import { findRun } from '../remote/find-run.js';
import { listRuns } from '../runs/run-client.js';
import { addCoordinatorOptions, coordinatorOf } from './coordinator-option.js';

/** Does something with the run that the user means. */
export type RunAction<Options> = (run: v1.Run, options: Options, coordinator: Coordinator) => Promise<void>;

const meaning = 'its id or a beginning of it, or its name';

/** A command about one run of a coordinator; about the latest one where its name may be left out. */
export function runCommand<Options>(
  name: string,
  argument: '[run]' | '<run>',
  action: RunAction<Options>,
): Command {
  const description = argument === '[run]' ? `${meaning} (default: the latest run)` : meaning;
  return addCoordinatorOptions(new Command(name).argument(argument, description)).action(
    async (wanted: string | undefined, options: Options, command: Command) => {
      await withCoordinator(coordinatorOf(command), async (coordinator) =>
        action(findRun(await listRuns(coordinator.client), wanted), options, coordinator),
      );
    },
  );
}
