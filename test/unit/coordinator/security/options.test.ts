import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readSecurity, type SecurityFlags } from '../../../../coordinator/security/options.js';
import { ConfigError } from '../../../../lib/errors.js';
import { requireProtected } from '../../../../lib/security/plain-text.js';

const tls = { 'tls-ca': 'ca.crt', 'tls-cert': 'tls.crt', 'tls-key': 'tls.key' };
const full = { ...tls, 'identity-domain': 'a.b.svc', 'token-listen': '0.0.0.0:7443', tokens: 'tokens.json' };
const read = (flags: SecurityFlags) => readSecurity(flags, { localWorkers: true });

describe("the coordinator's flags", () => {
  test('name files, domain and tokens', () => {
    assert.deepEqual(read(full), {
      tls: { ca: 'ca.crt', cert: 'tls.crt', key: 'tls.key' },
      identityDomain: 'a.b.svc',
      tokens: { listen: '0.0.0.0:7443', file: 'tokens.json' },
      localWorkers: true,
    });
  });

  test('may name none of them: plain text', () => assert.equal(read({}), null));

  const wrong: Readonly<Record<string, SecurityFlags>> = {
    'a certificate without its key': { ...full, 'tls-key': undefined },
    'no domain': { ...full, 'identity-domain': undefined },
    'a domain that is none': { ...full, 'identity-domain': '.svc' },
    'tokens without a place to show them': { ...full, 'token-listen': undefined },
    'a place without tokens': { ...full, tokens: undefined },
    'tokens without TLS': { tokens: 'tokens.json', 'token-listen': '0.0.0.0:7443' },
    'a domain without TLS': { 'identity-domain': 'a.b.svc' },
  };
  for (const [what, flags] of Object.entries(wrong)) {
    test(`are refused with ${what}`, () => assert.throws(() => read(flags), ConfigError));
  }
});

describe('plain text', () => {
  for (const address of ['127.0.0.1:7070', 'localhost:0', '[::1]:7070'])
    test(`is allowed on ${address}`, () => requireProtected('--listen', address, {}));
  for (const address of ['0.0.0.0:7070', '[::]:7070', 'trainer:7070', '127.0.0.1.example.com:7070']) {
    test(`is not allowed on ${address}, unless whoever starts it says so`, () => {
      assert.throws(() => requireProtected('--listen', address, {}), ConfigError);
      assert.throws(
        () => requireProtected('--listen', address, { PROSPECT_ALLOW_PLAINTEXT: '1' }),
        ConfigError,
      );
      requireProtected('--listen', address, { PROSPECT_ALLOW_PLAINTEXT: 'true' });
    });
  }
});
