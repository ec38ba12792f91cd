import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Path of a fixture (facts from PyTorch, TRL and HALOs): the tests run compiled, the fixtures stay in the source tree. */
export function fixturePath(name: string): string {
  return fileURLToPath(new URL(`../../../test/parity/fixtures/${name}`, import.meta.url));
}

export function readFixture(name: string): unknown {
  return JSON.parse(readFileSync(fixturePath(name), 'utf8'));
}
