import { Router } from 'express';
import { HttpProblem, upstream } from '../problem.js';
import { takeScreenshot } from '../services/browser.js';
import type { Shop } from '../shop.js';

const KEY = 'screenshots/latest.png';

/** The shop's own page as the headless browser sees it; the last picture is kept in the bucket. */
export default function screenshot({ config, storage }: Shop): Router {
  return Router()
    .post('/screenshot', async (_request, response) => {
      const picture = await takeScreenshot(config.browser, `${config.siteUrl}/?view=picture`, '[data-ready=true]').catch(
        (error: unknown) => {
          throw upstream('The headless browser', error);
        },
      );
      await storage.put(KEY, picture, 'image/png').catch((error: unknown) => {
        throw upstream('The bucket', error);
      });
      response.status(201).json({ bytes: picture.length });
    })
    .get('/screenshot', async (_request, response) => {
      const picture = await storage.get(KEY).catch((error: unknown) => {
        throw upstream('The bucket', error);
      });
      if (!picture) throw new HttpProblem(404, 'No picture was taken.');
      response.set('cache-control', 'no-store').type('png').send(Buffer.from(picture));
    });
}
