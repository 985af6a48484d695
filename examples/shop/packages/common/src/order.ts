/** An order as a person asks for it. */
export interface NewOrder {
  customer: string;
  email: string;
  productId: number;
  quantity: number;
}

/** Either a value that is right, or what is wrong with it, by field. */
export type Checked<T> = { ok: true; value: T } | { ok: false; problems: Record<string, string> };

const MAX_QUANTITY = 1000;
// One mailbox, no display name, no control characters: it goes into a mail's envelope.
const EMAIL = /^[^\s@<>"(),:;\\]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;

/** Checks what a form or a client sent. */
export function checkNewOrder(input: unknown): Checked<NewOrder> {
  const from = typeof input === 'object' && input !== null ? (input as Record<string, unknown>) : {};
  const problems: Record<string, string> = {};
  const customer = typeof from.customer === 'string' ? from.customer.trim() : '';
  if (customer === '' || customer.length > 120 || hasControl(customer)) {
    problems.customer = 'A name of 1 to 120 characters is needed.';
  }
  const email = typeof from.email === 'string' ? from.email.trim() : '';
  if (!EMAIL.test(email) || hasControl(email)) {
    problems.email = 'A mail address such as name@example.com is needed.';
  }
  const productId = from.productId;
  if (!isWhole(productId) || productId < 1 || productId > 2_147_483_647) {
    problems.productId = 'A product is needed.';
  }
  const quantity = from.quantity;
  if (!isWhole(quantity) || quantity < 1 || quantity > MAX_QUANTITY) {
    problems.quantity = `A whole number from 1 to ${MAX_QUANTITY} is needed.`;
  }
  if (Object.keys(problems).length > 0) return { ok: false, problems };
  return { ok: true, value: { customer, email, productId: productId as number, quantity: quantity as number } };
}

function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value);
}

/** Whether `text` has a control character: they must reach no header and no terminal. */
export function hasControl(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f) || code === 0x2028 || code === 0x2029) return true;
  }
  return false;
}
