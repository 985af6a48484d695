// Writes .env.development where there is none: what a developer may change and git ignores.
import { writeFileSync } from 'node:fs';

const target = new URL('../../../.env.development', import.meta.url);
try {
  writeFileSync(target, 'SHOP_TITLE=Corner shop\n', { flag: 'wx' });
} catch (error) {
  if (error.code !== 'EEXIST') throw error;
}
