import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.schema.alterTable('orders', (table) => {
    table.text('status').notNullable().defaultTo('new').checkIn(['new', 'paid', 'sent', 'returned']);
  });
}

export async function down(db: Knex): Promise<void> {
  await db.schema.alterTable('orders', (table) => table.dropColumn('status'));
}
