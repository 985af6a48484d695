import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('order_lines', (table) => {
    table.integer('order_id').notNullable().references('orders.id').onDelete('CASCADE');
    table.smallint('line').notNullable();
    table.integer('product_id').notNullable().references('products.id');
    table.integer('quantity').notNullable().checkPositive();
    table.integer('unit_cents').notNullable();
    table.primary(['order_id', 'line']);
  });
}

export async function down(db: Knex): Promise<void> {
  await db.schema.dropTable('order_lines');
}
