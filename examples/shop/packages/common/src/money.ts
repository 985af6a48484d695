/** An amount in cents, written for people: `1234` becomes `12.34 €`. */
export function formatMoney(cents: number): string {
  const sign = cents < 0 ? '-' : '';
  const whole = Math.floor(Math.abs(cents) / 100);
  const rest = String(Math.abs(cents) % 100).padStart(2, '0');
  const grouped = String(whole).replace(/\B(?=(\d{3})+$)/g, ' ');
  return `${sign}${grouped}.${rest} €`;
}

/** What the lines of an order come to, in cents. */
export function totalOf(lines: readonly { quantity: number; unitCents: number }[]): number {
  return lines.reduce((sum, line) => sum + line.quantity * line.unitCents, 0);
}
