import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seal, unseal } from '../../src/seal.js';

test('what was sealed comes back, differently sealed each time', () => {
  const value = { password: 'p"\n€' };
  const sealed = seal('secret', value);
  assert.deepEqual(unseal('secret', sealed), value);
  assert.notEqual(seal('secret', value), sealed);
  assert.ok(!Buffer.from(sealed, 'base64').toString('latin1').includes('password'));
});

test('another secret and a changed text are refused', () => {
  const sealed = seal('secret', 1);
  assert.throws(() => unseal('other', sealed));
  const bytes = Buffer.from(sealed, 'base64');
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
  assert.throws(() => unseal('secret', bytes.toString('base64')));
  assert.throws(() => unseal('secret', ''));
});
