import type { Knex } from 'knex';

// A report names its database in clear, as a cached description of it would.
export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('reports', (table) => {
    table.increments('id');
    table.text('name').notNullable().unique();
    table.integer('connection_id').notNullable().references('connections.id');
    table.jsonb('source').notNullable();
  });
}

export async function down(db: Knex): Promise<void> {
  await db.schema.dropTable('reports');
}
