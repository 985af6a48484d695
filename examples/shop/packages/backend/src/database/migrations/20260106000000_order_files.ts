import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('order_files', (table) => {
    table.uuid('id').primary();
    table.integer('order_id').notNullable().references('orders.id').onDelete('CASCADE').index();
    table.text('name').notNullable();
    table.text('type').notNullable();
    table.bigInteger('size').notNullable();
    table.timestamp('arrived_at');
    table.timestamp('created_at').notNullable().defaultTo(db.fn.now());
  });
}

export async function down(db: Knex): Promise<void> {
  await db.schema.dropTable('order_files');
}
