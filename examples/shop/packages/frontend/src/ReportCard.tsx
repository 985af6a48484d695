import { type Report, formatMoney } from '@shop/common';
import type { Asked } from './useAsked';

export function ReportCard({ asked }: { asked: Asked<Report> }) {
  const report = asked.value;
  const most = Math.max(1, ...(report?.rows.map((row) => row.cents) ?? []));
  return (
    <section aria-labelledby="report">
      <h2 id="report">{report?.name ?? 'Report'}</h2>
      {asked.error !== undefined && <p role="alert">{asked.error}</p>}
      {report && (
        <p className="quiet">
          asked from <span data-testid="report-database">{report.database}</span>
        </p>
      )}
      <ol className="bars">
        {report?.rows.map((row) => (
          <li key={row.day}>
            <span>{row.day}</span>
            <span className="bar" style={{ inlineSize: `${(row.cents / most) * 100}%` }} />
            <span className="number">{formatMoney(row.cents)}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
