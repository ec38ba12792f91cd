/** Writes the launcher's fixtures again. */
import { writeFileSync } from 'node:fs';
import { fixturePath, fixtures, makeFixture } from './worker-template.js';

for (const name of fixtures.keys()) writeFileSync(fixturePath(name), await makeFixture(name));
