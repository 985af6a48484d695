import express, { type Express } from 'express';
import { routes } from './generated/routes.js';
import { HttpProblem, answerProblem } from './problem.js';
import type { Shop } from './shop.js';

export function makeApp(shop: Shop): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(express.json({ limit: '64kb' }));
  for (const route of routes) app.use('/api/v1', route(shop));
  app.use('/api', () => {
    throw new HttpProblem(404, 'There is no such thing.');
  });
  app.use(answerProblem);
  return app;
}
