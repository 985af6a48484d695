import { Router } from 'express';
import { listProducts } from '../services/orders.js';
import type { Shop } from '../shop.js';

export default function products({ db }: Shop): Router {
  return Router().get('/products', async (_request, response) => {
    response.json(await listProducts(db));
  });
}
