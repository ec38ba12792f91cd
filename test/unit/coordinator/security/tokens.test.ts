import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { bearerToken, Tokens } from '../../../../coordinator/security/tokens.js';
import { ConfigError } from '../../../../lib/errors.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

const hashOf = (token: string) => createHash('sha256').update(token).digest('hex');
const entry = { name: 'ada', role: 'submit', sha256: hashOf('secret') };

describe('a list of tokens', () => {
  test('finds whose token it is', () => {
    const tokens = Tokens.parse(
      JSON.stringify([entry, { name: 'bob', role: 'read', sha256: hashOf('other').toUpperCase() }]),
    );
    assert.deepEqual(tokens.find('secret'), { name: 'token ada', role: 'submit' });
    assert.deepEqual(tokens.find('other'), { name: 'token bob', role: 'read' });
    for (const wrong of ['', 'secre', 'secret ', entry.sha256]) assert.equal(tokens.find(wrong), null);
  });

  const wrong = {
    'a role that people have not': [{ ...entry, role: 'worker' }],
    'a token in place of its hash': [{ ...entry, sha256: 'secret' }],
    'a key that is not known': [{ ...entry, token: 'secret' }],
    'a name with a line break': [{ ...entry, name: 'a\nb' }],
    'no list': entry,
    'two of one name': [entry, entry],
  };
  for (const [what, list] of Object.entries(wrong)) {
    test(`is refused with ${what}`, () => {
      assert.throws(
        () => Tokens.parse(JSON.stringify(list)),
        // The list may hold secrets by mistake.
        (error: Error) => !error.message.includes('secret'),
      );
    });
  }

  test('names its file where it cannot be read', async (t) => {
    const file = join(await temporaryDirectory(t), 'tokens.json');
    assert.throws(() => Tokens.read(file), {
      name: 'ConfigError',
      message: /^--tokens \S+tokens\.json: ENOENT/,
    });
    writeFileSync(file, 'secret');
    assert.throws(
      () => Tokens.read(file),
      (error) => error instanceof ConfigError && !error.message.includes('secret'),
    );
  });

  test('never takes anything else than a list', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        try {
          Tokens.parse(text);
        } catch (error) {
          return error instanceof Error;
        }
        return Array.isArray(JSON.parse(text));
      }),
    );
  });
});

describe('an authorization header', () => {
  test('carries a token', () => {
    assert.equal(bearerToken('Bearer abc.DEF-123='), 'abc.DEF-123=');
    assert.equal(bearerToken('bearer abc'), 'abc');
  });
  test('of any text gives a token that a header can carry, or none', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `Bearer ${text}`),
        ),
        (header) => /^[!-~]{1,512}$/.test(bearerToken(header) ?? 'none'),
      ),
    );
  });

  for (const header of [
    undefined,
    '',
    'abc',
    'Basic abc',
    'Bearer',
    'Bearer a b',
    `Bearer ${'x'.repeat(513)}`,
  ]) {
    test(`of ${header?.slice(0, 20) ?? 'nobody'} carries none`, () =>
      assert.equal(bearerToken(header), null));
  }
});
