import { formatMoney } from '@shop/common';
import { Router } from 'express';
import { idOf, upstream } from '../problem.js';
import { sendMail } from '../services/mail.js';
import { oneOrder } from '../services/orders.js';
import type { Shop } from '../shop.js';

export default function receipts({ config, db }: Shop): Router {
  return Router().post('/orders/:id/receipt', async (request, response) => {
    const order = await oneOrder(db, idOf(request));
    const messageId = await sendMail(config.mail, {
      to: { name: order.customer, address: order.email },
      subject: `Receipt for order ${order.id}`,
      text: `Dear ${order.customer},\n\norder ${order.id} comes to ${formatMoney(order.totalCents)}.\n\nThe shop of agent ${config.agent}\n`,
    }).catch((error: unknown) => {
      throw upstream('The mail server', error);
    });
    await db('receipts').insert({ order_id: order.id, message_id: messageId });
    response.status(201).json({ messageId });
  });
}
