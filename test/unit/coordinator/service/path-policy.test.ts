import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { requirePermitted } from '../../../../coordinator/service/path-policy.js';
import { ConfigError } from '../../../../lib/errors.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

/** `shared/model/config.json` beside `private/rows.jsonl`. */
async function makeDirectories(t: TestContext) {
  const dir = await temporaryDirectory(t);
  const shared = join(dir, 'shared');
  mkdirSync(join(shared, 'model'), { recursive: true });
  mkdirSync(join(dir, 'private'));
  writeFileSync(join(shared, 'model', 'config.json'), '{}');
  writeFileSync(join(dir, 'private', 'rows.jsonl'), '{}\n');
  const check = (path: string, roots = [shared]) =>
    requirePermitted({ key: 'data.train', path }, { kind: 'shared', roots }, 'do something else');
  return { dir, shared, check };
}

const refused = (...patterns: RegExp[]) => ({
  name: 'ConfigError',
  message: new RegExp(`^data\\.train: ${patterns.map(({ source }) => `(?=.*${source})`).join('')}.*$`),
});

describe('under a shared root', () => {
  test('lies what is in it, there already or not, and the root itself', async (t) => {
    const { shared, check } = await makeDirectories(t);
    for (const path of ['', 'model', 'model/config.json', 'new', 'new/deep/er', '..data/rows'])
      await check(join(shared, path));
  });

  test('does not lie what is beside it, above it, or begins as it does', async (t) => {
    const { dir, shared, check } = await makeDirectories(t);
    mkdirSync(`${shared}-too`);
    for (const path of [dir, '/', join(dir, 'private/rows.jsonl'), `${shared}-too`, `${shared}-new/x`]) {
      await assert.rejects(check(path), refused(/is not under a shared root/, /do something else/));
    }
  });

  test('does not lie where a link leads out of it, on the way, at the end, or inside', async (t) => {
    const { dir, shared, check } = await makeDirectories(t);
    const outside = join(dir, 'private');
    symlinkSync(outside, join(shared, 'way'));
    symlinkSync(join(outside, 'rows.jsonl'), join(shared, 'end'));
    symlinkSync(join(outside, 'rows.jsonl'), join(shared, 'model', 'tokenizer.json'));
    symlinkSync(join(outside, 'not there'), join(shared, 'promise'));
    for (const path of ['way', 'way/rows.jsonl', 'way/new', 'end', 'promise', 'promise/deeper']) {
      await assert.rejects(check(join(shared, path)), refused(/is not under a shared root/));
    }
    await assert.rejects(check(join(shared, 'model')), refused(/"[^"]*tokenizer\.json" in "[^"]*model"/));
  });

  test('lies what links lead to within it, or into another root, and a root may be a link', async (t) => {
    const { dir, shared, check } = await makeDirectories(t);
    symlinkSync(join(shared, 'model'), join(shared, 'latest'));
    symlinkSync('../model/config.json', join(shared, 'model', 'again.json'));
    symlinkSync(join(dir, 'private'), join(shared, 'way'));
    symlinkSync(shared, join(dir, 'root'));
    await check(join(shared, 'latest'));
    await check(join(shared, 'way/rows.jsonl'), [shared, join(dir, 'private')]);
    await check(join(dir, 'root/model'), [join(dir, 'root')]);
    await check(join(shared, 'model'), [join(dir, 'root')]);
  });

  test('lies nothing that cannot be looked up', async (t) => {
    const { shared, check } = await makeDirectories(t);
    symlinkSync('loop', join(shared, 'loop'));
    for (const path of ['loop', 'model/config.json/x', 'x'.repeat(300), 'a\0b']) {
      await assert.rejects(check(`${shared}/${path}`), refused(/cannot be looked up/));
    }
  });
});

test('without roots nothing is permitted, and the message says so; the user’s own coordinator permits all', async (t) => {
  const { shared, check } = await makeDirectories(t);
  await assert.rejects(check(shared, []), refused(/has no shared roots/, /do something else/));
  await requirePermitted({ key: 'model', path: '/' }, { kind: 'any' }, '');
});

test('a refusal is one line, whatever the path', async (t) => {
  const { check } = await makeDirectories(t);
  await assert.rejects(
    check('/a\nb'),
    (error) => error instanceof ConfigError && !error.message.includes('\n'),
  );
});
