import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('products', (table) => {
    table.increments('id');
    table.text('name').notNullable().unique();
    table.integer('unit_cents').notNullable().checkPositive();
  });
}

export async function down(db: Knex): Promise<void> {
  await db.schema.dropTable('products');
}
