// The shapes that travel between API and page.

/** Which copy of the shop this is. */
export interface About {
  title: string;
  agent: string;
  database: string;
  bucket: string;
  mailbox: string;
  siteUrl: string;
  apiPort: number;
}

export interface Product {
  id: number;
  name: string;
  unitCents: number;
}

export interface OrderFile {
  id: string;
  name: string;
  type: string;
  size: number;
}

export interface Order {
  id: number;
  customer: string;
  email: string;
  status: string;
  totalCents: number;
  createdAt: string;
  files: OrderFile[];
}

/** Where the browser puts a file, and by which request. */
export interface UploadTicket {
  id: string;
  url: string;
  headers: Record<string, string>;
}

export interface Mail {
  id: string;
  to: string;
  subject: string;
  snippet: string;
  created: string;
}

export interface Mailbox {
  total: number;
  messages: Mail[];
}

/** Orders a day, asked through the stored connection. */
export interface Report {
  name: string;
  database: string;
  rows: { day: string; orders: number; cents: number }[];
}

export interface Problem {
  message: string;
  problems?: Record<string, string>;
}
