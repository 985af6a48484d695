import { makeApp } from './app.js';
import { readConfig } from './config.js';
import { connect } from './database/client.js';
import { Storage } from './services/storage.js';

// Ignored by git and needed all the same; what the harness gives comes first.
process.loadEnvFile(new URL('../../../.env.development', import.meta.url));
const config = readConfig(process.env);
const db = connect(config.database);
const app = makeApp({ config, db, storage: new Storage(config.s3) });

const server = app.listen(config.port, '127.0.0.1', (error) => {
  if (error) throw error;
  console.info(`api of agent ${config.agent} on http://127.0.0.1:${config.port}, database ${config.database.database}`);
});

// Requests under way are finished, idle connections closed, then the process ends by itself.
let ending = false;
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (ending) return;
    ending = true;
    server.close(() => {
      db.destroy().then(
        () => process.exit(0),
        (error: unknown) => {
          console.error(error);
          process.exit(1);
        },
      );
    });
    server.closeIdleConnections();
  });
}
