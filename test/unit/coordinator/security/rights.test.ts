import assert from 'node:assert/strict';
import { test } from 'node:test';
import { roles } from '../../../../coordinator/security/identity.js';
import { mayCall, rolesFor } from '../../../../coordinator/security/rights.js';
import { clusterService, runService, uploadService } from '../../../../proto/services.js';

/** Those that change something: a new method must be put somewhere. */
const changing = ['submitRun', 'cancelRun', 'resumeRun', 'resizeRun'];

test('each role may call what it is for, and every method has someone who may call it', () => {
  for (const [name, { path }] of Object.entries(runService))
    assert.deepEqual(rolesFor(path), changing.includes(name) ? ['submit'] : ['submit', 'read'], name);
  for (const { path } of Object.values(uploadService)) assert.deepEqual(rolesFor(path), ['submit']);
  assert.deepEqual(rolesFor(clusterService.join.path), ['worker']);
  assert.deepEqual(rolesFor('/grpc.health.v1.Health/Check'), roles);
});

test('nobody may call what is not known', () => {
  for (const role of roles)
    for (const path of ['', '/', '/prospect.v1.RunService/', '/prospect.v1.RunService/Reboot', 'toString'])
      assert.ok(!mayCall(role, path), path);
});
