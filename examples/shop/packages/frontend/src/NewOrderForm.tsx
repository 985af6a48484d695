import { type Product, checkNewOrder, formatMoney } from '@shop/common';
import { type FormEvent, useState } from 'react';
import { Refused, createOrder } from './api';

export function NewOrderForm({ products, onCreated }: { products: Product[]; onCreated: () => Promise<void> }) {
  const [problems, setProblems] = useState<Record<string, string>>({});
  const [message, setMessage] = useState('');
  const [busy, setBusy] = useState(false);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const data = new FormData(form);
    const checked = checkNewOrder({
      customer: data.get('customer'),
      email: data.get('email'),
      productId: Number(data.get('productId')),
      quantity: Number(data.get('quantity')),
    });
    setProblems(checked.ok ? {} : checked.problems);
    setMessage('');
    if (!checked.ok) return;
    setBusy(true);
    try {
      const order = await createOrder(checked.value);
      form.reset();
      setMessage(`Order ${order.id} was created.`);
      await onCreated();
    } catch (reason) {
      if (reason instanceof Refused) setProblems(reason.problems);
      setMessage(reason instanceof Error ? reason.message : String(reason));
    } finally {
      setBusy(false);
    }
  }

  const field = (name: string) => ({
    id: name,
    name,
    'data-testid': `order-${name}`,
    'aria-invalid': name in problems,
    'aria-describedby': `${name}-problem`,
  });
  const problem = (name: string) => (
    <span className="problem" id={`${name}-problem`}>
      {problems[name]}
    </span>
  );
  return (
    <section aria-labelledby="new-order">
      <h2 id="new-order">New order</h2>
      <form onSubmit={(event) => void submit(event)} noValidate data-testid="order-form">
        <label htmlFor="customer">Customer</label>
        <input {...field('customer')} autoComplete="name" maxLength={120} />
        {problem('customer')}
        <label htmlFor="email">Mail address</label>
        <input {...field('email')} type="email" autoComplete="email" />
        {problem('email')}
        <label htmlFor="productId">Product</label>
        <select {...field('productId')}>
          {products.map((product) => (
            <option key={product.id} value={product.id}>
              {product.name} · {formatMoney(product.unitCents)}
            </option>
          ))}
        </select>
        {problem('productId')}
        <label htmlFor="quantity">Quantity</label>
        <input {...field('quantity')} type="number" min={1} max={1000} defaultValue={1} />
        {problem('quantity')}
        <button type="submit" disabled={busy} data-testid="order-submit">
          Create order
        </button>
        <output data-testid="order-message">{message}</output>
      </form>
    </section>
  );
}
