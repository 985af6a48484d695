// The environment, read once and checked: whatever is wrong is said at the start, all of it at once.

export interface Config {
  title: string;
  agent: string;
  port: number;
  siteUrl: string;
  /** Seals the stored connections; the same for the template and its clones. */
  secret: string;
  database: { host: string; port: number; database: string; user: string; password: string };
  s3: { endpoint: string; region: string; bucket: string; accessKey: string; secretKey: string; forcePathStyle: boolean };
  mail: { host: string; port: number; user: string; password: string; from: { name: string; address: string }; api: string };
  browser: { host: string; port: number };
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads what the shop needs from `environment`; throws one error that names every variable that is wrong. */
export function readConfig(environment: Environment): Config {
  const problems: string[] = [];
  const text = (name: string): string => {
    const value = environment[name];
    if (value === undefined || value === '') problems.push(`${name} is missing`);
    return value ?? '';
  };
  const port = (name: string): number => {
    const value = text(name);
    const number = Number(value);
    if (value !== '' && !(Number.isInteger(number) && number > 0 && number < 65_536)) {
      problems.push(`${name} is no port: ${value}`);
    }
    return number;
  };
  const url = (name: string): string => {
    const value = text(name);
    if (value !== '' && !URL.canParse(value)) problems.push(`${name} is no address: ${value}`);
    return value.replace(/\/+$/, '');
  };
  const config: Config = {
    title: text('SHOP_TITLE'),
    agent: text('SHOP_AGENT'),
    port: port('PORT'),
    siteUrl: url('SITE_URL'),
    secret: text('SHOP_SECRET'),
    database: databaseOf(text, port),
    s3: {
      endpoint: url('S3_ENDPOINT'),
      region: text('S3_REGION'),
      bucket: text('S3_BUCKET'),
      accessKey: text('S3_ACCESS_KEY'),
      secretKey: text('S3_SECRET_KEY'),
      forcePathStyle: environment.S3_FORCE_PATH_STYLE !== 'false',
    },
    mail: {
      host: text('EMAIL_SMTP_HOST'),
      port: port('EMAIL_SMTP_PORT'),
      user: text('EMAIL_SMTP_USER'),
      password: text('EMAIL_SMTP_PASSWORD'),
      from: { name: text('EMAIL_SMTP_SENDER_NAME'), address: text('EMAIL_SMTP_SENDER_EMAIL') },
      api: url('MAIL_URL'),
    },
    browser: { host: text('HEADLESS_BROWSER_HOST'), port: port('HEADLESS_BROWSER_PORT') },
  };
  if (problems.length > 0) throw new Error(`the environment is not complete: ${problems.join('; ')}`);
  return config;
}

/** Only the database: what migrations and seeds need. */
export function readDatabaseConfig(environment: Environment): Pick<Config, 'database' | 'secret'> {
  const missing: string[] = [];
  const text = (name: string): string => {
    const value = environment[name];
    if (value === undefined || value === '') missing.push(name);
    return value ?? '';
  };
  const config = { database: databaseOf(text, (name) => Number(text(name))), secret: text('SHOP_SECRET') };
  if (missing.length > 0) throw new Error(`the environment is not complete: ${missing.join(', ')} missing`);
  return config;
}

function databaseOf(text: (name: string) => string, port: (name: string) => number): Config['database'] {
  return {
    host: text('DATABASE_HOST'),
    port: port('DATABASE_PORT'),
    database: text('DATABASE_NAME'),
    user: text('DATABASE_USER'),
    password: text('DATABASE_PASSWORD'),
  };
}
