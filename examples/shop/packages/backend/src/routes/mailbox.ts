import { Router } from 'express';
import { upstream } from '../problem.js';
import { readMailbox } from '../services/mail.js';
import type { Shop } from '../shop.js';

export default function mailbox({ config }: Shop): Router {
  return Router().get('/mailbox', async (_request, response) => {
    response.json(
      await readMailbox(config.mail).catch((error: unknown) => {
        throw upstream('The mailbox', error);
      }),
    );
  });
}
