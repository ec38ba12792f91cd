import type { ReferenceModel } from '../../lib/config/reference-model.js';
import { writeReferenceFile } from '../reference/reference-file.js';

/** The model that the node's replica is told to serve: the one that the newest stage compares with. */
export class WantedReference {
  private stage = 0;

  /** @param file that the replica follows */
  constructor(private readonly file: string) {}

  get isWanted(): boolean {
    return this.stage > 0;
  }

  /**
   * All workers of the node say the same of a stage; one that is late may still speak of a stage that is over.
   * @throws RunError where the replica cannot be told
   */
  want(stage: number, model: ReferenceModel): void {
    if (stage <= this.stage) return;
    writeReferenceFile(this.file, model);
    this.stage = stage;
  }
}
