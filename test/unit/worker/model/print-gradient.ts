import { readFileSync, writeSync } from 'node:fs';
import { z } from 'zod';

import { gradientOf, loadModel } from './loaded-model.js';

/** A process of its own: reads a batch as JSON from standard input, writes its gradient's bytes to standard output. */
const [, , directory = ''] = process.argv;
const batch = z
  .array(z.object({ ids: z.array(z.number()), completionStart: z.number() }))
  .parse(JSON.parse(readFileSync(0, 'utf8')))
  .map(({ ids, completionStart }) => ({ ids: Int32Array.from(ids), completionStart }));
const { gradient } = gradientOf(loadModel(directory), batch);
const bytes = new Uint8Array(gradient.buffer, gradient.byteOffset, gradient.byteLength);
for (let done = 0; done < bytes.length;) done += writeSync(1, bytes, done);
