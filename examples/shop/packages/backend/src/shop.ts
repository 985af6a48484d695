// What every route is given.
import type { Knex } from 'knex';
import type { Config } from './config.js';
import type { Storage } from './services/storage.js';

export interface Shop {
  config: Config;
  db: Knex;
  storage: Storage;
}
