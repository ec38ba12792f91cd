import { UserError } from '../../lib/errors.js';

/** Why a run is stopped before its end, by someone's will: not a failure. */
export abstract class RunStop extends UserError {
  /** @param save whether a checkpoint of the last committed step is wanted */
  constructor(
    reason: string,
    readonly save: boolean,
  ) {
    super(reason);
  }
}

/** Someone does not want the run to go on. */
export class RunCancelled extends RunStop {
  override readonly name = 'RunCancelled';
}

/** The coordinator ends; the run goes on when it is started again. */
export class RunSuspended extends RunStop {
  override readonly name = 'RunSuspended';
  constructor(reason: string) {
    super(reason, true);
  }
}
