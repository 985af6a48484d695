import type { Mailbox } from '@shop/common';
import type { Asked } from './useAsked';

export function Mails({ asked }: { asked: Asked<Mailbox> }) {
  return (
    <section aria-labelledby="mails">
      <div className="head">
        <h2 id="mails">Mails of this agent</h2>
        <button type="button" data-testid="mails-again" onClick={() => void asked.again()}>
          Look again
        </button>
      </div>
      {asked.error !== undefined && <p role="alert">{asked.error}</p>}
      {asked.value?.messages.length === 0 && <p className="quiet">None yet: send a receipt.</p>}
      <ul data-testid="mails">
        {asked.value?.messages.map((mail) => (
          <li key={mail.id} data-testid="mail">
            <strong>{mail.subject}</strong>
            <span className="quiet">to {mail.to}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
