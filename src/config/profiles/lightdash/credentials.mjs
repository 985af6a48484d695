// Gives the clone of an agent the agent's own login for the demo project's warehouse, and the paths of its own checkout
// for dbt. Both lie encrypted in the database; what they hold besides is kept. Lightdash's own
// `reseed-encrypted-credentials` does the same in 8 s, most of which is loading Lightdash.
//
// The format is that of packages/backend/src/utils/EncryptionUtil: salt (64), tag (16), iv (12), text; AES-256-GCM with
// a key by PBKDF2 (SHA-512, 2,000 rounds). A blob that cannot be opened is an error: no half-right clone is launched.
import { createCipheriv, createDecipheriv, pbkdf2Sync, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, DBT_DEMO_DIR, LIGHTDASH_SECRET } = process.env;
const { Client } = createRequire(join(process.cwd(), 'packages/backend/package.json'))('pg');

const key = (salt) => pbkdf2Sync(LIGHTDASH_SECRET, salt, 2000, 32, 'sha512');

const open = (sealed) => {
    const [salt, tag, iv, text] = [[0, 64], [64, 80], [80, 92], [92]].map((range) => sealed.subarray(...range));
    const cipher = createDecipheriv('aes-256-gcm', key(salt), iv, { authTagLength: 16 }).setAuthTag(tag);
    return JSON.parse(Buffer.concat([cipher.update(text), cipher.final()]).toString());
};

const seal = (value) => {
    const [salt, iv] = [randomBytes(64), randomBytes(12)];
    const cipher = createCipheriv('aes-256-gcm', key(salt), iv, { authTagLength: 16 });
    const text = Buffer.concat([cipher.update(JSON.stringify(value)), cipher.final()]);
    return Buffer.concat([salt, cipher.getAuthTag(), iv, text]);
};

const client = new Client();
await client.connect();
await client.query('BEGIN');

const warehouses = await client.query('SELECT warehouse_credentials_id AS id, encrypted_credentials AS sealed FROM warehouse_credentials');
for (const { id, sealed } of warehouses.rows) {
    const is = open(sealed);
    if (is.type !== 'postgres' || !/^lightdash_template|^agent_\d+$/.test(is.dbname)) continue;
    const own = { ...is, host: PGHOST, port: Number(PGPORT), user: PGUSER, password: PGPASSWORD, dbname: PGDATABASE };
    await client.query('UPDATE warehouse_credentials SET encrypted_credentials = $2 WHERE warehouse_credentials_id = $1', [id, seal(own)]);
}

const projects = await client.query('SELECT project_id AS id, dbt_connection AS sealed FROM projects WHERE dbt_connection IS NOT NULL');
for (const { id, sealed } of projects.rows) {
    const is = open(sealed);
    if (is.type !== 'dbt') continue;
    const own = { ...is, project_dir: join(DBT_DEMO_DIR, 'dbt'), profiles_dir: join(DBT_DEMO_DIR, 'profiles') };
    await client.query('UPDATE projects SET dbt_connection = $2 WHERE project_id = $1', [id, seal(own)]);
}

await client.query('COMMIT');
await client.end();
