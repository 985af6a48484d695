// Receipts go out by SMTP; what arrived is asked from the mail catcher's API, as this agent's own user.
import type { Mail, Mailbox } from '@shop/common';
import type { Config } from '../config.js';

export interface Letter {
  to: { name: string; address: string };
  subject: string;
  text: string;
}

/** Sends `letter` and returns its Message-ID. */
export async function sendMail(config: Config['mail'], letter: Letter): Promise<string> {
  const { createTransport } = await import('nodemailer');
  const transport = createTransport({
    host: config.host,
    port: config.port,
    secure: false,
    ignoreTLS: true,
    auth: { user: config.user, pass: config.password },
    connectionTimeout: 5_000,
    greetingTimeout: 5_000,
    socketTimeout: 10_000,
  });
  try {
    const sent = await transport.sendMail({ from: config.from, ...letter });
    return String(sent.messageId);
  } finally {
    transport.close();
  }
}

interface ListedMail {
  ID: string;
  To: { Address: string }[] | null;
  Subject: string;
  Snippet: string;
  Created: string;
}

/** The newest mails of this agent. */
export async function readMailbox(config: Config['mail']): Promise<Mailbox> {
  const login = Buffer.from(`${config.user}:${config.password}`).toString('base64');
  const response = await fetch(`${config.api}/api/v1/messages?limit=8`, {
    headers: { authorization: `Basic ${login}` },
    signal: AbortSignal.timeout(5_000),
  });
  if (!response.ok) throw new Error(`${config.api} answered ${response.status}`);
  const list = (await response.json()) as { total: number; messages: ListedMail[] };
  return { total: list.total, messages: list.messages.map(toMail) };
}

function toMail(listed: ListedMail): Mail {
  return {
    id: listed.ID,
    to: (listed.To ?? []).map((address) => address.Address).join(', '),
    subject: listed.Subject,
    snippet: listed.Snippet,
    created: listed.Created,
  };
}
