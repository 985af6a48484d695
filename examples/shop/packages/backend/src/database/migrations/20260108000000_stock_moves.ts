import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('stock_moves', (table) => {
    table.increments('id');
    table.integer('product_id').notNullable().references('products.id').index();
    table.integer('quantity').notNullable();
    table.text('reason').notNullable();
    table.timestamp('moved_at').notNullable().defaultTo(db.fn.now());
  });
}

export async function down(db: Knex): Promise<void> {
  await db.schema.dropTable('stock_moves');
}
