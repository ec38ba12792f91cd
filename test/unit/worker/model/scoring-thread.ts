import { parentPort, workerData } from 'node:worker_threads';

import { describeModel } from '../../../../worker/model/description.js';
import { LanguageModel, type Sequence } from '../../../../worker/model/language-model.js';
import { linear } from '../../../../worker/model/linear.js';
import { FlatBuffer } from '../../../../worker/parameters/flat-buffer.js';
import { layOut } from '../../../../worker/parameters/layout.js';

/** Scores every batch that it is sent, with weights that the other thread holds too. */
const { directory, memory } = workerData as { directory: string; memory: SharedArrayBuffer[] };
const { blueprint, tensors } = describeModel(directory);
const layout = layOut(tensors);
const model = new LanguageModel(blueprint.build(linear), layout);
const weights = model.bind(FlatBuffer.wrap(layout, memory));
parentPort!.on('message', (batch: Sequence[]) => parentPort!.postMessage(model.logps(weights, batch)));
