// Asks a running shop, the one of the environment, whether it works.
const { PORT, SITE_URL, SHOP_AGENT, DATABASE_NAME } = process.env;

async function ask(url, check) {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text.slice(0, 200)}`);
  if (!check(text)) throw new Error(`${url} answered something else: ${text.slice(0, 200)}`);
  console.info(`ok ${url}`);
}

await ask(`http://127.0.0.1:${PORT}/api/v1/health`, (text) => JSON.parse(text).database === DATABASE_NAME);
await ask(`http://127.0.0.1:${PORT}/api/v1/report`, (text) => JSON.parse(text).database === DATABASE_NAME);
await ask(`${SITE_URL}/`, (text) => text.includes('<div id="root">'));
await ask(`${SITE_URL}/api/v1/about`, (text) => JSON.parse(text).agent === SHOP_AGENT);
