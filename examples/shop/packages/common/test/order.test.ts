import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkNewOrder } from '../src/order.js';

const right = { customer: ' Ada ', email: 'ada@example.com', productId: 3, quantity: 2 };

test('a right order is taken, its texts trimmed', () => {
  assert.deepEqual(checkNewOrder(right), { ok: true, value: { ...right, customer: 'Ada' } });
});

const wrong: [string, unknown, string][] = [
  ['no object', null, 'customer'],
  ['no name', { ...right, customer: '  ' }, 'customer'],
  ['a line break in the name', { ...right, customer: 'Ada\r\nBcc: x@y' }, 'customer'],
  ['a list as name', { ...right, customer: ['Ada'] }, 'customer'],
  ['no address', { ...right, email: 'ada' }, 'email'],
  ['two addresses', { ...right, email: 'a@b.c,d@e.f' }, 'email'],
  ['a line break in the address', { ...right, email: 'a\n@b.c' }, 'email'],
  ['no product', { ...right, productId: 0 }, 'productId'],
  ['a product beyond the column', { ...right, productId: 2 ** 31 }, 'productId'],
  ['a text as quantity', { ...right, quantity: '2' }, 'quantity'],
  ['half a piece', { ...right, quantity: 0.5 }, 'quantity'],
  ['too many', { ...right, quantity: 1001 }, 'quantity'],
];
for (const [name, input, field] of wrong) {
  test(`${name} is refused`, () => {
    const checked = checkNewOrder(input);
    assert.ok(!checked.ok);
    assert.ok(field in checked.problems, JSON.stringify(checked.problems));
  });
}
