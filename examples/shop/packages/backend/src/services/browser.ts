// A picture of a page, taken by the shared headless browser.
import type { Browser } from 'playwright-core';
import type { Config } from '../config.js';

const ATTEMPTS = 10;
const PAUSE_MS = 500;

/** A PNG of the page at `url` once `selector` is there. */
export async function takeScreenshot(config: Config['browser'], url: string, selector: string): Promise<Uint8Array> {
  const browser = await connect(config);
  try {
    const page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
    await page.goto(url, { timeout: 20_000 });
    await page.waitForSelector(selector, { timeout: 10_000 });
    return await page.screenshot();
  } finally {
    await browser.close();
  }
}

// The gateway answers 429 while all its sessions are taken.
async function connect(config: Config['browser']): Promise<Browser> {
  const { chromium } = await import('playwright-core');
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await chromium.connectOverCDP(`ws://${config.host}:${config.port}`, { timeout: 15_000 });
    } catch (error) {
      if (attempt === ATTEMPTS || !String(error).includes('429')) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
