import type { About } from '@shop/common';
import { Router } from 'express';
import type { Shop } from '../shop.js';

export default function about({ config, db }: Shop): Router {
  return Router().get('/about', async (_request, response) => {
    const { rows } = await db.raw<{ rows: { name: string }[] }>('select current_database() as name');
    const answer: About = {
      title: config.title,
      agent: config.agent,
      database: rows[0]?.name ?? '',
      bucket: config.s3.bucket,
      mailbox: config.mail.user,
      siteUrl: config.siteUrl,
      apiPort: config.port,
    };
    response.json(answer);
  });
}
