import type { Knex } from 'knex';

// A stored connection: where a report is asked, sealed with the shop's secret. A clone of the database needs its own.
export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('connections', (table) => {
    table.increments('id');
    table.text('name').notNullable().unique();
    table.text('sealed').notNullable();
    table.timestamp('updated_at').notNullable().defaultTo(db.fn.now());
  });
}

export async function down(db: Knex): Promise<void> {
  await db.schema.dropTable('connections');
}
