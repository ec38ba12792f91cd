import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readTls, readTlsFlags } from '../../../../lib/security/tls-files.js';
import { Authority } from '../../../support/certificates.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

test('files are read where they belong together, and named where they do not', async (t) => {
  const dir = await temporaryDirectory(t);
  const authority = new Authority(join(dir, 'authority'));
  const [one, two] = [
    authority.issue('one', { names: ['DNS:one'] }),
    authority.issue('two', { names: ['DNS:two'] }),
  ];
  assert.match(readTls(one).cert.toString(), /BEGIN CERTIFICATE/);
  const refused = (files: typeof one, why: RegExp) =>
    assert.throws(() => readTls(files), { name: 'ConfigError', message: why });
  refused(
    { ...one, key: two.key },
    /--tls-cert \S*one\.crt and --tls-key \S*two\.key cannot be used: .*mismatch/,
  );
  refused({ ...one, ca: join(dir, 'missing') }, /^--tls-ca \S*missing cannot be read: ENOENT/);
  const nonsense = join(dir, 'nonsense');
  writeFileSync(nonsense, 'no certificate');
  refused({ ...one, cert: nonsense }, /--tls-cert \S*nonsense/);
});

test('flags name all files, or none', () => {
  assert.equal(readTlsFlags({}), null);
  assert.throws(() => readTlsFlags({ 'tls-ca': 'a', 'tls-cert': 'b' }), /all three, or none/);
});
