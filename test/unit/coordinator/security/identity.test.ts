import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { identityOf, roles } from '../../../../coordinator/security/identity.js';

const domain = 'demo-prospect.training.svc';

describe('who the holder of a certificate is', () => {
  const cases: readonly (readonly [string, string | null, string | null])[] = [
    [`DNS:worker.${domain}`, `worker.${domain}`, 'worker'],
    [`DNS:Submit.Demo-Prospect.training.svc`, `submit.${domain}`, 'submit'],
    [`DNS:localhost, IP Address:127.0.0.1, DNS:read.${domain}`, `read.${domain}`, 'read'],
    [`DNS:coordinator.${domain}, DNS:localhost`, `coordinator.${domain}`, null],
    [`DNS:*.${domain}`, `*.${domain}`, null],
    [`DNS:a.worker.${domain}`, `a.worker.${domain}`, null],
    [`DNS:${domain}`, null, null],
    [`DNS:worker${domain}`, null, null],
    [`DNS:worker.${domain}.example.com`, null, null],
    [`email:worker.${domain}, URI:DNS:worker.${domain}`, null, null],
    // As Node writes a single name that would pass for two.
    [`DNS:"x\\u002c DNS:worker.${domain}"`, null, null],
    ['', null, null],
  ];
  for (const [subjectAltName, name, role] of cases) {
    test(subjectAltName || 'without a name', () => {
      const identity = identityOf(subjectAltName, domain);
      assert.deepEqual([identity?.name ?? null, identity?.role ?? null], [name, role]);
    });
  }

  test('without any names, nobody', () => assert.equal(identityOf(undefined, domain), null));

  test('no name outside of the domain is anybody, whatever it is', () => {
    const label = fc.stringMatching(/^[a-z0-9-]{1,20}$/);
    fc.assert(
      fc.property(fc.array(fc.oneof(label, fc.constantFrom(...roles)), { maxLength: 5 }), (labels) => {
        const name = labels.join('.');
        return name.endsWith(`.${domain}`) || identityOf(`DNS:${name}`, domain) === null;
      }),
    );
  });
});
