import { type NewOrder, type Order, type OrderFile, type Product } from '@shop/common';
import type { Knex } from 'knex';
import { HttpProblem } from '../problem.js';

interface OrderRow {
  id: number;
  customer: string;
  email: string;
  status: string;
  total_cents: string | null;
  created_at: Date;
}

export async function listProducts(db: Knex): Promise<Product[]> {
  const rows = await db('products').orderBy('id').limit(50).select<{ id: number; name: string; unit_cents: number }[]>('id', 'name', 'unit_cents');
  return rows.map((row) => ({ id: row.id, name: row.name, unitCents: row.unit_cents }));
}

/** The newest orders, or the one with `id`. */
async function find(db: Knex, limit: number, id?: number): Promise<Order[]> {
  const query = db('orders')
    .join('customers', 'customers.id', 'orders.customer_id')
    .orderBy([{ column: 'orders.created_at', order: 'desc' }, { column: 'orders.id', order: 'desc' }])
    .limit(limit)
    .select<OrderRow[]>('orders.id', 'customers.name as customer', 'customers.email', 'orders.status', 'orders.created_at')
    .select(db.raw('(select sum(quantity * unit_cents) from order_lines where order_id = orders.id) as total_cents'));
  const rows = (await (id === undefined ? query : query.where('orders.id', id))) as OrderRow[];
  const files = await db('order_files')
    .whereIn('order_id', rows.map((row) => row.id))
    .whereNotNull('arrived_at')
    .orderBy('created_at')
    .select<{ id: string; order_id: number; name: string; type: string; size: string }[]>('id', 'order_id', 'name', 'type', 'size');
  return rows.map((row) => ({
    id: row.id,
    customer: row.customer,
    email: row.email,
    status: row.status,
    totalCents: Number(row.total_cents ?? 0),
    createdAt: row.created_at.toISOString(),
    files: files
      .filter((file) => file.order_id === row.id)
      .map((file): OrderFile => ({ id: file.id, name: file.name, type: file.type, size: Number(file.size) })),
  }));
}

export function newestOrders(db: Knex): Promise<Order[]> {
  return find(db, 8);
}

export async function countOrders(db: Knex): Promise<number> {
  const row = await db('orders').count<{ count: string }[]>('* as count').first();
  return Number(row?.count ?? 0);
}

export async function oneOrder(db: Knex, id: number): Promise<Order> {
  const [order] = await find(db, 1, id);
  if (!order) throw new HttpProblem(404, `There is no order ${id}.`);
  return order;
}

export async function createOrder(db: Knex, order: NewOrder): Promise<Order> {
  const id = await db.transaction(async (all) => {
    const product = await all('products').where('id', order.productId).first<{ id: number; unit_cents: number } | undefined>();
    if (!product) throw new HttpProblem(422, 'The order is not complete.', { productId: 'There is no such product.' });
    const [customer] = await all('customers')
      .insert({ name: order.customer, email: order.email })
      .onConflict('email')
      .merge(['name'])
      .returning<{ id: number }[]>('id');
    const [created] = await all('orders').insert({ customer_id: customer?.id }).returning<{ id: number }[]>('id');
    if (!created) throw new Error('the order was not stored');
    await all('order_lines').insert({
      order_id: created.id,
      line: 1,
      product_id: product.id,
      quantity: order.quantity,
      unit_cents: product.unit_cents,
    });
    return created.id;
  });
  return oneOrder(db, id);
}
