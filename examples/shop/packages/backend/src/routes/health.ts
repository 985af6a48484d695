import { Router } from 'express';
import type { Shop } from '../shop.js';

/** Well only when the database answers now. */
export default function health({ config, db }: Shop): Router {
  return Router().get('/health', async (_request, response) => {
    try {
      await db.raw('select 1').timeout(2_000, { cancel: false });
      response.json({ status: 'ok', agent: config.agent, database: config.database.database });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      response.status(503).json({ status: 'error', agent: config.agent, message: `The database does not answer: ${message}` });
    }
  });
}
