import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatMoney, totalOf } from '../src/money.js';

test('cents are written for people', () => {
  assert.equal(formatMoney(5), '0.05 €');
  assert.equal(formatMoney(1234), '12.34 €');
  assert.equal(formatMoney(-123456789), '-1 234 567.89 €');
});

test('lines add up', () => {
  assert.equal(totalOf([]), 0);
  assert.equal(totalOf([{ quantity: 2, unitCents: 150 }, { quantity: 1, unitCents: 99 }]), 399);
});
