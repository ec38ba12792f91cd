import { RunError } from '../../lib/errors.js';
import { EngineThread } from '../compute/engine-thread.js';
import type { PartWriter, WritePart, WrittenPart } from './part-writer.js';

/**
 * Writes this worker's parts of checkpoints beside training, on a thread of its own: neither heartbeats nor the
 * computation wait for the disk.
 */
export class CheckpointWriter {
  private readonly thread = new EngineThread<null, PartWriter>(
    new URL('./writer-thread.js', import.meta.url),
  );
  private opened: Promise<void> | null = null;
  private closed = false;

  /**
   * Writes one part; parts are written one after the other. The file appears complete and durable, or not at all. The
   * planes' memory must stay as it is until then.
   *
   * @throws RunError that names the file: it cannot be written, or the writer was closed before it was.
   */
  async write(part: WritePart): Promise<WrittenPart> {
    try {
      this.opened ??= this.thread.open(null);
      await this.opened;
      return await this.thread.call('write', part);
    } catch (error) {
      if (this.closed) throw new RunError(`${part.file}: not written, this worker ends`);
      throw error;
    }
  }

  /** Ends the thread. A part that is being written is given up, and leaves at most its temporary file behind. */
  async close(): Promise<void> {
    this.closed = true;
    await this.thread.terminate();
  }
}
