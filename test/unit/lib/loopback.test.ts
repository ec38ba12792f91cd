import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoopback } from '../../../lib/loopback.js';

test('only this machine’s own addresses are loopback', () => {
  for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '::1', '[::1]'])
    assert.ok(isLoopback(host), host);
  for (const host of [
    '0.0.0.0',
    '',
    '::',
    '[::]',
    '10.0.0.1',
    '127.0.0.1.example.com',
    'localhost.example.com',
    '128.0.0.1',
  ])
    assert.ok(!isLoopback(host), host);
});
