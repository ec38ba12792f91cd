import { CheckpointStore } from '../../../../coordinator/checkpoints/checkpoint-store.js';
import { writeParts } from './stored-parts.js';

/** Writes one checkpoint after the other and says so, until it is killed. Arguments: directory, first step. */
const [outputDir, firstStep] = process.argv.slice(2);
const say = (message: string) => process.send!(message);

const store = new CheckpointStore(outputDir!, 2);
await store.removeLeftovers();
for (let step = Number(firstStep); ; step++) {
  const id = { stage: 1, step };
  const begun = await store.begin(id);
  say('begun');
  const parts = await writeParts(begun, 2);
  say('parts');
  await store.finish(begun, { ...id, updates: step, parts });
  say(`finished ${step}`);
}
