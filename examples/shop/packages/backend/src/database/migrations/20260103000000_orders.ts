import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('orders', (table) => {
    table.increments('id');
    table.integer('customer_id').notNullable().references('customers.id');
    table.timestamp('created_at').notNullable().defaultTo(db.fn.now());
  });
}

export async function down(db: Knex): Promise<void> {
  await db.schema.dropTable('orders');
}
