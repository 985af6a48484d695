import { type Order, formatMoney } from '@shop/common';
import { useState } from 'react';
import { attachFile, sendReceipt } from './api';
import type { Asked } from './useAsked';

interface Props {
  asked: Asked<{ total: number; orders: Order[] }>;
  onMail: () => Promise<void>;
}

export function Orders({ asked, onMail }: Props) {
  const [message, setMessage] = useState('');
  const [busy, setBusy] = useState(false);

  async function act(work: () => Promise<string>) {
    setBusy(true);
    setMessage('');
    try {
      setMessage(await work());
    } catch (reason) {
      setMessage(reason instanceof Error ? reason.message : String(reason));
    } finally {
      setBusy(false);
    }
  }
  const attach = (order: Order, file: File) =>
    act(async () => {
      await attachFile(order.id, file);
      await asked.again();
      return `${file.name} is attached to order ${order.id}.`;
    });
  const receipt = (order: Order) =>
    act(async () => {
      await sendReceipt(order.id);
      await onMail();
      return `The receipt of order ${order.id} is sent.`;
    });

  return (
    <section aria-labelledby="orders" className="wide">
      <h2 id="orders">Newest orders</h2>
      {asked.error !== undefined && <p role="alert">{asked.error}</p>}
      <output data-testid="orders-message">{message}</output>
      <table>
        <thead>
          <tr>
            <th scope="col">No.</th>
            <th scope="col">Customer</th>
            <th scope="col" className="number">
              Total
            </th>
            <th scope="col">Files</th>
            <th scope="col">Act</th>
          </tr>
        </thead>
        <tbody>
          {asked.value?.orders.map((order) => (
            <tr key={order.id} data-testid={`order-${order.id}`}>
              <th scope="row">{order.id}</th>
              <td>{order.customer}</td>
              <td className="number">{formatMoney(order.totalCents)}</td>
              <td>
                {order.files.map((file) => (
                  <a key={file.id} href={`/api/v1/orders/${order.id}/files/${file.id}`} data-testid="order-file">
                    {file.name}
                  </a>
                ))}
              </td>
              <td className="acts">
                <label className="button">
                  Attach
                  <input
                    type="file"
                    aria-label={`Attach a file to order ${order.id}`}
                    disabled={busy}
                    data-testid={`attach-${order.id}`}
                    onChange={(event) => {
                      const [file] = event.target.files ?? [];
                      event.target.value = '';
                      if (file) void attach(order, file);
                    }}
                  />
                </label>
                <button
                  type="button"
                  aria-label={`Send the receipt of order ${order.id}`}
                  disabled={busy}
                  data-testid={`receipt-${order.id}`}
                  onClick={() => void receipt(order)}
                >
                  Receipt
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
