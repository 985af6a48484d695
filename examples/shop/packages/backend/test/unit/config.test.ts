import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from '../../src/config.js';

const right = {
  SHOP_TITLE: 'Shop', SHOP_AGENT: '1', PORT: '8010', SITE_URL: 'http://localhost:3010/', SHOP_SECRET: 's',
  DATABASE_HOST: '127.0.0.1', DATABASE_PORT: '5432', DATABASE_NAME: 'agent_1', DATABASE_USER: 'agent_1', DATABASE_PASSWORD: 'p',
  S3_ENDPOINT: 'http://127.0.0.1:9000', S3_REGION: 'us-east-1', S3_BUCKET: 'agent-1', S3_ACCESS_KEY: 'a', S3_SECRET_KEY: 'b',
  EMAIL_SMTP_HOST: '127.0.0.1', EMAIL_SMTP_PORT: '25', EMAIL_SMTP_USER: 'agent-1', EMAIL_SMTP_PASSWORD: 'p',
  EMAIL_SMTP_SENDER_NAME: 'Shop', EMAIL_SMTP_SENDER_EMAIL: 'shop@example.com', MAIL_URL: 'http://127.0.0.1:8025',
  HEADLESS_BROWSER_HOST: '127.0.0.1', HEADLESS_BROWSER_PORT: '3001',
};

test('a complete environment is read', () => {
  const config = readConfig(right);
  assert.equal(config.port, 8010);
  assert.equal(config.siteUrl, 'http://localhost:3010');
  assert.equal(config.s3.forcePathStyle, true);
});

test('everything that is wrong is said at once', () => {
  assert.throws(() => readConfig({ ...right, PORT: '70000', S3_BUCKET: '', MAIL_URL: 'nowhere' }), {
    message: 'the environment is not complete: PORT is no port: 70000; S3_BUCKET is missing; MAIL_URL is no address: nowhere',
  });
});
