import knex, { type Knex } from 'knex';
import type { Config } from '../config.js';

/** A pool of at most `max` connections; none is opened before it is needed. */
export function connect(database: Config['database'], max = 5): Knex {
  return knex({
    client: 'pg',
    connection: { ...database, application_name: 'shop' },
    pool: { min: 0, max, idleTimeoutMillis: 10_000 },
    acquireConnectionTimeout: 5_000,
  });
}
