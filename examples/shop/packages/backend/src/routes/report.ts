import { Router } from 'express';
import { runReport } from '../services/report.js';
import type { Shop } from '../shop.js';

export default function report(shop: Shop): Router {
  return Router().get('/report', async (_request, response) => {
    response.json(await runReport(shop));
  });
}
