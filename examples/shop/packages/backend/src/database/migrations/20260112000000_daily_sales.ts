import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.schema.createView('daily_sales', (view) => {
    view.as(
      db('orders')
        .join('order_lines', 'order_lines.order_id', 'orders.id')
        .groupByRaw('1')
        .select(
          db.raw("(orders.created_at at time zone 'UTC')::date as day"),
          db.raw('count(distinct orders.id)::int as orders'),
          db.raw('sum(order_lines.quantity::bigint * order_lines.unit_cents) as cents'),
        ),
    );
  });
}

export async function down(db: Knex): Promise<void> {
  await db.schema.dropView('daily_sales');
}
