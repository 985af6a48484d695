import { checkNewOrder } from '@shop/common';
import { Router } from 'express';
import { HttpProblem, idOf } from '../problem.js';
import { countOrders, createOrder, newestOrders, oneOrder } from '../services/orders.js';
import type { Shop } from '../shop.js';

export default function orders({ db }: Shop): Router {
  return Router()
    .get('/orders', async (_request, response) => {
      const [total, newest] = await Promise.all([countOrders(db), newestOrders(db)]);
      response.json({ total, orders: newest });
    })
    .get('/orders/:id', async (request, response) => {
      response.json(await oneOrder(db, idOf(request)));
    })
    .post('/orders', async (request, response) => {
      const checked = checkNewOrder(request.body);
      if (!checked.ok) throw new HttpProblem(422, 'The order is not complete.', checked.problems);
      response.status(201).json(await createOrder(db, checked.value));
    });
}
