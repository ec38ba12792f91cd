import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { missing } from './tools.js';
import { fixturePath, fixtures, makeFixture } from './worker-template.js';

for (const name of fixtures.keys()) {
  test(`the launcher is tested with the chart’s pod: ${name}`, { skip: missing('helm') }, async () => {
    const written = readFileSync(fixturePath(name), 'utf8');
    assert.ok(written === (await makeFixture(name)), 'write it again: npm run chart:fixtures');
  });
}
