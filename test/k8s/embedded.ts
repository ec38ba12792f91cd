import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { prospect } from '../integration/prospect.js';

/** Trains a run on this machine. @returns the SHA-256 of its model's files, by name */
export async function trainHere(runFile: string, out: string): Promise<ReadonlyMap<string, string>> {
  const { code, stderr } = await prospect(['train', runFile, '--out', out]);
  assert.equal(code, 0, stderr);
  const model = join(out, 'model');
  const hash = (name: string) =>
    createHash('sha256')
      .update(readFileSync(join(model, name)))
      .digest('hex');
  return new Map(readdirSync(model).map((name) => [name, hash(name)] as const));
}
