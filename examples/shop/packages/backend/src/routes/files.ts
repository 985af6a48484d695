import { randomUUID } from 'node:crypto';
import { type UploadTicket, checkNewFile } from '@shop/common';
import { Router } from 'express';
import { HttpProblem, idOf, upstream } from '../problem.js';
import { oneOrder } from '../services/orders.js';
import type { Shop } from '../shop.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

// A key never holds a name that a person chose.
const keyOf = (order: number, file: string): string => `orders/${order}/${file}`;

interface FileRow {
  id: string;
  order_id: number;
  name: string;
  size: string;
}

/** A file goes from the browser to the bucket directly: ticket, PUT, then `arrived`. */
export default function files({ db, storage }: Shop): Router {
  const find = async (order: number, id: unknown): Promise<FileRow> => {
    const row =
      typeof id === 'string' && UUID.test(id)
        ? await db('order_files').where({ id, order_id: order }).first<FileRow | undefined>('id', 'order_id', 'name', 'size')
        : undefined;
    if (!row) throw new HttpProblem(404, 'There is no such file.');
    return row;
  };
  return Router()
    .post('/orders/:id/files', async (request, response) => {
      const order = await oneOrder(db, idOf(request));
      const checked = checkNewFile(request.body);
      if (!checked.ok) throw new HttpProblem(422, 'The file cannot be taken.', checked.problems);
      const { name, type, size } = checked.value;
      const id = randomUUID();
      const url = await storage.uploadUrl(keyOf(order.id, id), type, size);
      await db('order_files').insert({ id, order_id: order.id, name, type, size });
      const ticket: UploadTicket = { id, url, headers: { 'content-type': type } };
      response.status(201).json(ticket);
    })
    .post('/orders/:id/files/:file/arrived', async (request, response) => {
      const row = await find(idOf(request), request.params.file);
      const size = await storage.size(keyOf(row.order_id, row.id)).catch((error: unknown) => {
        throw upstream('The bucket', error);
      });
      if (size === undefined) throw new HttpProblem(409, 'The file has not arrived.');
      if (size !== Number(row.size)) throw new HttpProblem(409, `The file has ${size} bytes instead of ${row.size}.`);
      await db('order_files').where('id', row.id).update({ arrived_at: db.fn.now() });
      response.json(await oneOrder(db, row.order_id));
    })
    .get('/orders/:id/files/:file', async (request, response) => {
      const row = await find(idOf(request), request.params.file);
      response.redirect(303, await storage.downloadUrl(keyOf(row.order_id, row.id), row.name));
    });
}
