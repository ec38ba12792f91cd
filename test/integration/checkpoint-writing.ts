import { CheckpointWriter } from '../../worker/checkpoint/checkpoint-writer.js';

/** Writes a part of zeros into the file that it is told, as a worker would; for a test that kills it meanwhile. */
process.once('message', (file: string) => {
  const memory = () => new SharedArrayBuffer(2 ** 20);
  const size = 2 ** 18;
  const planes = { weights: memory(), mean: memory(), variance: memory() };
  void new CheckpointWriter().write({ file, range: { start: 0, end: size }, size, ...planes });
});
