import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

test('every route is in the generated file', () => {
  const generated = readFileSync(new URL('../../src/generated/routes.ts', import.meta.url), 'utf8');
  for (const name of readdirSync(new URL('../../src/routes/', import.meta.url))) {
    assert.ok(generated.includes(`'../routes/${name.replace(/\.ts$/, '.js')}'`), name);
  }
});
