import { type CSSProperties, useEffect } from 'react';
import { getAbout, getMailbox, getOrders, getProducts, getReport } from './api';
import { Mails } from './Mails';
import { NewOrderForm } from './NewOrderForm';
import { Orders } from './Orders';
import { Picture } from './Picture';
import { ReportCard } from './ReportCard';
import { useAsked } from './useAsked';

// One hue an agent, far apart for neighbours.
const hueOf = (agent: string): number => (Number(agent) * 137 + 80) % 360;

// The headless browser looks at the page without the picture that it took before.
const isPicture = new URLSearchParams(window.location.search).get('view') === 'picture';

export function App() {
  const about = useAsked(getAbout);
  const products = useAsked(getProducts);
  const orders = useAsked(getOrders);
  const mailbox = useAsked(getMailbox);
  const report = useAsked(getReport);
  const agent = about.value?.agent;
  useEffect(() => {
    if (agent !== undefined) document.title = `Agent ${agent} · Shop`;
  }, [agent]);

  const ready = [about, products, orders, mailbox, report].every((asked) => asked.value ?? asked.error);
  const style = { '--hue': agent === undefined ? 0 : hueOf(agent) } as CSSProperties;
  return (
    <div className="page" style={style} data-ready={ready} data-testid="page">
      <header>
        <div className="badge" data-testid="agent-id" aria-hidden="true">
          {agent ?? '?'}
        </div>
        <div>
          <p className="eyebrow">Agent {agent ?? 'unknown'}</p>
          <h1>{about.value?.title ?? 'Shop'}</h1>
        </div>
        <dl className="facts">
          <Fact name="Database" testid="database" value={about.value?.database} />
          <Fact name="Bucket" testid="bucket" value={about.value?.bucket} />
          <Fact name="Mails" testid="mail-count" value={mailbox.value?.total.toString()} />
          <Fact name="Orders" testid="order-count" value={orders.value?.total.toString()} />
          <Fact name="API" testid="api-port" value={about.value && `:${about.value.apiPort}`} />
        </dl>
      </header>
      {about.error !== undefined && <p role="alert">{about.error}</p>}
      <main>
        <NewOrderForm products={products.value ?? []} onCreated={orders.again} />
        <Orders asked={orders} onMail={mailbox.again} />
        <Mails asked={mailbox} />
        <ReportCard asked={report} />
        {!isPicture && <Picture />}
      </main>
    </div>
  );
}

function Fact({ name, value, testid }: { name: string; value: string | undefined; testid: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd data-testid={testid}>{value ?? '…'}</dd>
    </div>
  );
}
