import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.schema.alterTable('orders', (table) => {
    table.index(['created_at', 'id']);
    table.index('customer_id');
  });
  await db.schema.alterTable('order_lines', (table) => table.index('product_id'));
}

export async function down(db: Knex): Promise<void> {
  await db.schema.alterTable('order_lines', (table) => table.dropIndex('product_id'));
  await db.schema.alterTable('orders', (table) => {
    table.dropIndex('customer_id');
    table.dropIndex(['created_at', 'id']);
  });
}
