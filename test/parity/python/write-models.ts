import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { mergeAdapter } from '../../../worker/model/adapter/merge.js';
import type { Sequence } from '../../../worker/model/language-model.js';
import { loadModel, unload, type LoadedModel } from '../../unit/worker/model/loaded-model.js';
import { fixturePath } from '../fixtures.js';

/**
 * Writes what check_saved.py reads: for every model of the fixtures, in a directory of its own
 *
 *     model/    the model with all weights changed a little
 *     adapter/  an adapter on all its linear layers, and base.txt: the path of the model that it belongs to
 *     merged/   that model with the adapter merged in
 *     expected.json   a batch, and its token log-probs by each of the three
 *
 * Usage: node write-models.js OUT
 */
const MODELS = [
  'models/gpt2',
  'models/gpt_neox',
  'models/llama',
  'models/llama_bf16_sharded',
  'models/mistral',
  'families/gemma2',
  'families/gpt2_bare',
  'families/gpt_neox_sequential',
  'families/llama3',
  'families/llama_linear',
  'families/qwen2',
  'families/qwen3',
];

const batch: Sequence[] = [27, 5, 14].map((length, row) => ({
  ids: Int32Array.from({ length }, (_, token) => (7 + 11 * row + 5 * token + token * token) % 64),
  completionStart: 1 + row,
}));

function disturb({ buffer, layout }: LoadedModel, scale: number): void {
  for (const place of layout.tensors) {
    const values = buffer.tensor(place);
    values.forEach((value, index) => (values[index] = value + scale * Math.sin(index + place.name.length)));
  }
}

function tokenLogps(loaded: LoadedModel): number[][] {
  return loaded.model.tokenLogps(loaded.weights, batch).map((logps) => [...logps]);
}

const [, , out = ''] = process.argv;
for (const name of MODELS) {
  const source = fixturePath(name);
  const target = join(out, name.split('/')[1]!);
  mkdirSync(target, { recursive: true });

  const whole = loadModel(source);
  disturb(whole, 0.02);
  whole.save(whole.buffer, join(target, 'model'));

  const adapted = loadModel(source, { fresh: { r: 3, alpha: 6, targetModules: 'all-linear' }, seed: 1 });
  disturb(adapted, 0.1);
  adapted.save(adapted.buffer, join(target, 'adapter'));
  writeFileSync(join(target, 'base.txt'), source);

  mergeAdapter(source, join(target, 'adapter'), join(target, 'merged'));
  const merged = loadModel(join(target, 'merged'));

  const expected = {
    sequences: batch.map(({ ids, completionStart }) => ({
      ids: [...ids],
      completion_start: completionStart,
    })),
    model: tokenLogps(whole),
    adapter: tokenLogps(adapted),
    merged: tokenLogps(merged),
  };
  writeFileSync(join(target, 'expected.json'), JSON.stringify(expected));
  for (const loaded of [whole, adapted, merged]) unload(loaded);
}
