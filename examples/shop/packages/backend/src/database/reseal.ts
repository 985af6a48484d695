// The stored connection of the database of the environment: sealed anew for a clone, which has its own name and login.
import { pathToFileURL } from 'node:url';
import type { Knex } from 'knex';
import { type Config, readDatabaseConfig } from '../config.js';
import { seal } from '../seal.js';
import { connect } from './client.js';

/** Writes the connection to `config.database` and returns its id. */
export async function storeConnection(db: Knex, config: Pick<Config, 'database' | 'secret'>): Promise<number> {
  const row = { name: 'own database', sealed: seal(config.secret, config.database), updated_at: db.fn.now() };
  const [stored] = await db('connections').insert(row).onConflict('name').merge().returning<{ id: number }[]>('id');
  if (!stored) throw new Error('the connection was not stored');
  return stored.id;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const config = readDatabaseConfig(process.env);
  const db = connect(config.database, 1);
  try {
    await storeConnection(db, config);
  } finally {
    await db.destroy();
  }
}
