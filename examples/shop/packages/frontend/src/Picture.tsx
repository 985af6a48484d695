import { useState } from 'react';
import { takeScreenshot } from './api';

export function Picture() {
  const [taken, setTaken] = useState(0);
  const [message, setMessage] = useState('');
  const [busy, setBusy] = useState(false);

  async function take() {
    setBusy(true);
    setMessage('The headless browser is looking …');
    try {
      const { bytes } = await takeScreenshot();
      setTaken(Date.now());
      setMessage(`Taken: ${Math.round(bytes / 1024)} KiB.`);
    } catch (reason) {
      setMessage(reason instanceof Error ? reason.message : String(reason));
    } finally {
      setBusy(false);
    }
  }

  return (
    <section aria-labelledby="picture" className="wide">
      <div className="head">
        <h2 id="picture">This page, seen by the headless browser</h2>
        <button type="button" disabled={busy} data-testid="screenshot-take" onClick={() => void take()}>
          Take a picture
        </button>
      </div>
      <output data-testid="screenshot-message">{message}</output>
      {taken > 0 && <img src={`/api/v1/screenshot?${taken}`} alt="This page in the headless browser" data-testid="screenshot" />}
    </section>
  );
}
