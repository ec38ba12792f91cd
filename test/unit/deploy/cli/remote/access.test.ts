import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { credentialsOf, type Access } from '../../../../../deploy/cli/remote/access.js';
import { ConfigError } from '../../../../../lib/errors.js';
import { Authority } from '../../../../support/certificates.js';
import { temporaryDirectory } from '../../../../support/temporary-directory.js';

const isSecure = (access: Access, env: NodeJS.ProcessEnv = {}) => credentialsOf(access, env)._isSecure();

describe('how a command reaches a coordinator', () => {
  test('in plain text where nothing asks for more, and a token of the environment stays at home', () => {
    assert.ok(!isSecure({ https: false }, { PROSPECT_TOKEN: 'token' }));
  });

  test('over TLS where the address, an authority or a certificate says so', async (t) => {
    const authority = new Authority(join(await temporaryDirectory(t), 'authority'));
    const { ca, cert, key } = authority.issue('me', { names: ['DNS:me'] });
    assert.ok(isSecure({ https: true }));
    assert.ok(isSecure({ https: true }, { PROSPECT_TOKEN: 'token' }));
    assert.ok(isSecure({ https: false, tlsCa: ca }));
    assert.ok(isSecure({ https: false, tlsCert: cert, tlsKey: key }));
  });

  test('not at all where what is given does not go together', async (t) => {
    const dir = await temporaryDirectory(t);
    const authority = new Authority(join(dir, 'authority'));
    const [one, two] = ['one', 'two'].map((name) => authority.issue(name, { names: [`DNS:${name}`] }));
    const blank = join(dir, 'blank');
    writeFileSync(blank, ' \n');
    const refused: readonly (readonly [Access, NodeJS.ProcessEnv, RegExp])[] = [
      [{ https: false, tlsCert: one!.cert }, {}, /--tls-cert and --tls-key go together/],
      [{ https: false, tlsCert: one!.cert, tlsKey: two!.key }, {}, /cannot be used: .*mismatch/],
      [{ https: true, tlsCa: join(dir, 'missing') }, {}, /--tls-ca \S*missing cannot be read/],
      [{ https: false, tokenFile: blank }, {}, /over TLS only/],
      [{ https: true, tokenFile: blank }, {}, /--token-file \S*blank holds no token/],
      [{ https: true }, { PROSPECT_TOKEN: 'two words' }, /PROSPECT_TOKEN holds no token/],
    ];
    for (const [access, env, message] of refused)
      assert.throws(
        () => credentialsOf(access, env),
        (error) =>
          error instanceof ConfigError && message.test(error.message) && !error.message.includes('words'),
      );
  });
});
