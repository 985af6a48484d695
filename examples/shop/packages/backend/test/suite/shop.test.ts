// Against the running shop of the environment, with its real database, bucket and mailbox.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Mailbox, Order, Problem, Report, UploadTicket } from '@shop/common';

const api = `http://127.0.0.1:${process.env.PORT}/api/v1`;

async function post(path: string, body?: unknown): Promise<Response> {
  return fetch(`${api}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  });
}

async function newOrder(): Promise<Order> {
  const response = await post('/orders', { customer: 'Suite Ü', email: 'suite@example.com', productId: 1, quantity: 3 });
  assert.equal(response.status, 201);
  return (await response.json()) as Order;
}

test('the database is the agent’s own, for the shop and for its report', async () => {
  const report = (await (await fetch(`${api}/report`)).json()) as Report;
  assert.equal(report.database, process.env.DATABASE_NAME);
  assert.ok(report.rows.length > 0);
});

test('an order that is wrong is refused field by field', async () => {
  const response = await post('/orders', { customer: '', email: 'x', productId: 1, quantity: 1 });
  assert.equal(response.status, 422);
  const { problems } = (await response.json()) as Problem;
  assert.deepEqual(Object.keys(problems ?? {}).toSorted(), ['customer', 'email']);
});

test('a file goes to the bucket and comes back under its name', async () => {
  const order = await newOrder();
  const body = 'bytes of a file';
  const ticket = (await (await post(`/orders/${order.id}/files`, { name: '../../a ü.txt', type: 'text/plain', size: body.length })).json()) as UploadTicket;
  assert.equal((await post(`/orders/${order.id}/files/${ticket.id}/arrived`)).status, 409);
  const put = await fetch(ticket.url, { method: 'PUT', headers: ticket.headers, body });
  assert.equal(put.status, 200, await put.text());
  const arrived = (await (await post(`/orders/${order.id}/files/${ticket.id}/arrived`)).json()) as Order;
  assert.deepEqual(arrived.files.map((file) => file.name), ['a ü.txt']);
  const got = await fetch(`${api}/orders/${order.id}/files/${ticket.id}`);
  assert.equal(await got.text(), body);
  assert.match(got.headers.get('content-disposition') ?? '', /^attachment; .*a%20%C3%BC\.txt/);
});

test('a receipt lands in the agent’s mailbox', async () => {
  const order = await newOrder();
  const before = (await (await fetch(`${api}/mailbox`)).json()) as Mailbox;
  assert.equal((await post(`/orders/${order.id}/receipt`)).status, 201);
  const after = (await (await fetch(`${api}/mailbox`)).json()) as Mailbox;
  assert.equal(after.total, before.total + 1);
  assert.equal(after.messages[0]?.subject, `Receipt for order ${order.id}`);
});

test('the headless browser sees the agent’s own page', async () => {
  const taken = await post('/screenshot');
  assert.equal(taken.status, 201, await taken.text());
  const picture = Buffer.from(await (await fetch(`${api}/screenshot`)).arrayBuffer());
  assert.equal(picture.toString('latin1', 1, 4), 'PNG');
});
