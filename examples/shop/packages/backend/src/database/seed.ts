// Fills a migrated, empty database: the same rows every time, made by the server itself.
import { readDatabaseConfig } from '../config.js';
import { connect } from './client.js';
import { storeConnection } from './reseal.js';

const CUSTOMERS = 20_000;
const PRODUCTS = 400;
const ORDERS = 100_000;
const STOCK_MOVES = 150_000;

const config = readDatabaseConfig(process.env);
const db = connect(config.database, 1);
try {
  await db.transaction(async (all) => {
    if (await all('customers').first('id')) throw new Error('the database has customers already: nothing is seeded');
    await all.raw(
      `insert into customers (name, email, created_at)
       select (array['Ada','Alan','Barbara','Edsger','Frances','Grace','Hedy','Katherine','Linus','Margaret'])[1 + i % 10]
              || ' ' || (array['Adler','Berg','Cole','Dahl','Eco','Fuchs','Gold'])[1 + i % 7] || ' ' || i,
              'customer-' || i || '@example.com', timestamptz '2025-01-01 00:00Z' + i * interval '9 minutes'
       from generate_series(1, ?::int) i`,
      [CUSTOMERS],
    );
    await all.raw(
      `insert into products (name, unit_cents)
       select (array['Blue','Red','Green','Small','Large','Old','New','Round'])[1 + i % 8] || ' '
              || (array['chair','table','lamp','shelf','kettle','clock','mirror','rug','vase','bench'])[1 + i % 10]
              || ' no. ' || i, 199 + (i * 7919) % 49800
       from generate_series(1, ?::int) i`,
      [PRODUCTS],
    );
    await all.raw(
      `insert into orders (customer_id, created_at, status)
       select 1 + (i * 7919::bigint) % ?::int, timestamptz '2025-06-01 00:00Z' + i * interval '6 minutes',
              (array['paid','sent','sent','sent','returned'])[1 + i % 5]
       from generate_series(1, ?::int) i`,
      [CUSTOMERS, ORDERS],
    );
    await all.raw(
      `insert into order_lines (order_id, line, product_id, quantity, unit_cents)
       select o, line, products.id, 1 + (o + line) % 4, products.unit_cents
       from generate_series(1, ?::int) o
       cross join generate_series(1, 2) line
       join products on products.id = 1 + (o * 31 + line * 17) % ?::int`,
      [ORDERS, PRODUCTS],
    );
    await all.raw(
      `insert into stock_moves (product_id, quantity, reason, moved_at)
       select 1 + (i * 13) % ?::int, (i * 37) % 50 - 20, (array['delivery','sale','count','return'])[1 + i % 4],
              timestamptz '2025-06-01 00:00Z' + i * interval '3 minutes'
       from generate_series(1, ?::int) i`,
      [PRODUCTS, STOCK_MOVES],
    );
    const connection = await storeConnection(all, config);
    await all('reports').insert({
      name: 'Orders a day',
      connection_id: connection,
      source: JSON.stringify({ database: config.database.database, view: 'daily_sales' }),
    });
  });
  await db.raw('vacuum analyze');
  const { rows } = await db.raw<{ rows: { size: string }[] }>('select pg_size_pretty(pg_database_size(current_database())) as size');
  console.info(`seeded: ${rows[0]?.size}`);
} finally {
  await db.destroy();
}
