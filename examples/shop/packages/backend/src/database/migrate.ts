// Brings the database of the environment to the newest migration.
import { readdir } from 'node:fs/promises';
import type { Knex } from 'knex';
import { readDatabaseConfig } from '../config.js';
import { connect } from './client.js';

const folder = new URL('migrations/', import.meta.url);

// Names without their ending, so that the record of what was run does not depend on how it was run.
const source: Knex.MigrationSource<string> = {
  getMigrations: async () =>
    (await readdir(folder))
      .filter((name) => name.endsWith('.ts'))
      .map((name) => name.replace(/\.ts$/, ''))
      .toSorted(),
  getMigrationName: (name) => name,
  getMigration: (name) => import(new URL(`${name}.ts`, folder).href) as Promise<Knex.Migration>,
};

const db = connect(readDatabaseConfig(process.env).database, 1);
try {
  const [batch, names] = (await db.migrate.latest({ migrationSource: source })) as [number, string[]];
  for (const name of names) console.info(`batch ${batch}: ${name}`);
  console.info(names.length === 0 ? 'nothing to migrate' : `${names.length} migrations done`);
} finally {
  await db.destroy();
}
