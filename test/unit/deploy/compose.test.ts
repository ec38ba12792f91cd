import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';
import { isLoopback } from '../../../lib/loopback.js';
import { parseListen } from '../../../lib/listen.js';
import { packagePath } from '../../../lib/package.js';

const serviceSchema = z.object({
  profiles: z.array(z.string()),
  network_mode: z.string().optional(),
  ports: z.array(z.string()).optional(),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).optional(),
});
const composeSchema = z.object({ services: z.record(z.string(), serviceSchema) });

test('what Docker starts to stay listens on loopback only, where plain text is allowed', () => {
  const file = readFileSync(packagePath('deploy/compose.yaml'), 'utf8');
  const { services } = composeSchema.parse(parse(file, { merge: true }));
  const staying = Object.entries(services).filter(([, { profiles }]) => profiles.includes('server'));
  assert.deepEqual(staying.map(([name]) => name).sort(), ['coordinator', 'grafana', 'prometheus']);
  for (const [name, { network_mode: network, ports, command = [], environment = {} }] of staying) {
    assert.equal(network, 'host', name);
    assert.equal(ports, undefined, name);
    assert.equal(environment['PROSPECT_ALLOW_PLAINTEXT'], undefined, name);
    const listens = [...command, ...Object.entries(environment).map((pair) => pair.join('='))].flatMap(
      (flag) => /(?:listen|listen-address|ADDR)=(.+)$/.exec(flag)?.[1] ?? [],
    );
    assert.ok(listens.length > 0, name);
    for (const address of listens) {
      assert.ok(
        isLoopback(address.includes(':') ? parseListen(address).host : address),
        `${name}: ${address}`,
      );
    }
  }
});
