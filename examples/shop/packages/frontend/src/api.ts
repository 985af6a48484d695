// The shop's API as the page uses it.
import type { About, Mailbox, NewOrder, Order, Problem, Product, Report, UploadTicket } from '@shop/common';

/** What the API refused, with its reasons by field. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly problems: Record<string, string>,
  ) {
    super(message);
  }
}

async function ask<T>(path: string, method = 'GET', body?: unknown): Promise<T> {
  const init: RequestInit = { method };
  if (body !== undefined) {
    init.headers = { 'content-type': 'application/json' };
    init.body = JSON.stringify(body);
  }
  const response = await fetch(`/api/v1${path}`, init);
  if (response.ok) return (await response.json()) as T;
  const problem = (await response.json().catch(() => ({ message: `The API answered ${response.status}.` }))) as Problem;
  throw new Refused(problem.message, problem.problems ?? {});
}

export const getAbout = () => ask<About>('/about');
export const getProducts = () => ask<Product[]>('/products');
export const getOrders = () => ask<{ total: number; orders: Order[] }>('/orders');
export const getMailbox = () => ask<Mailbox>('/mailbox');
export const getReport = () => ask<Report>('/report');
export const createOrder = (order: NewOrder) => ask<Order>('/orders', 'POST', order);
export const sendReceipt = (order: number) => ask<{ messageId: string }>(`/orders/${order}/receipt`, 'POST');
export const takeScreenshot = () => ask<{ bytes: number }>('/screenshot', 'POST');

/** Puts `file` into the bucket directly, then says that it is there. */
export async function attachFile(order: number, file: File): Promise<Order> {
  const { name, type, size } = file;
  const ticket = await ask<UploadTicket>(`/orders/${order}/files`, 'POST', { name, type, size });
  const put = await fetch(ticket.url, { method: 'PUT', headers: ticket.headers, body: file });
  if (!put.ok) throw new Refused(`The bucket answered ${put.status}.`, {});
  return ask<Order>(`/orders/${order}/files/${ticket.id}/arrived`, 'POST');
}
