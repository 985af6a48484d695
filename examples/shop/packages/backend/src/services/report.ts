// A report is asked through the connection that is stored with it, not through the shop's own.
import type { Report } from '@shop/common';
import { connect } from '../database/client.js';
import { HttpProblem } from '../problem.js';
import { unseal } from '../seal.js';
import type { Shop } from '../shop.js';
import type { Config } from '../config.js';

interface Row {
  name: string;
  sealed: string;
  source: { database: string; view: string };
}

const DAYS = 14;

export async function runReport({ db, config }: Shop): Promise<Report> {
  const row = await db('reports')
    .join('connections', 'connections.id', 'reports.connection_id')
    .first<Row | undefined>('reports.name', 'connections.sealed', 'reports.source');
  if (!row) throw new HttpProblem(404, 'There is no report.');
  const connection = unseal(config.secret, row.sealed) as Config['database'];
  if (connection.database !== row.source.database) {
    throw new HttpProblem(500, `The report is about ${row.source.database}, its connection leads to ${connection.database}.`);
  }
  const other = connect(connection, 1);
  try {
    const result = await other.raw<{ rows: { day: string; orders: number; cents: string; database: string }[] }>(
      'select day::text, orders, cents, current_database() as database from ?? order by day desc limit ?',
      [row.source.view, DAYS],
    );
    return {
      name: row.name,
      database: result.rows[0]?.database ?? connection.database,
      rows: result.rows.map(({ day, orders, cents }) => ({ day, orders, cents: Number(cents) })),
    };
  } finally {
    await other.destroy();
  }
}
