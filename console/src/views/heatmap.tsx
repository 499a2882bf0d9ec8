import { number } from "../format.ts";

export interface Hour {
  weekday: number;
  hour: number;
  peak: number;
  mean: number;
}

const HOURS = Array.from({ length: 24 }, (_, hour) => hour);
const DAY_NAME = new Intl.DateTimeFormat(undefined, { weekday: "short", timeZone: "UTC" });

/** Day 0 is a Monday, as the server counts; 5 January 1970 was one. */
const dayName = (weekday: number) => DAY_NAME.format(new Date((4 + weekday) * 86_400_000));

/** Users on average in each hour of the week; the darker the more, and each cell says its number. */
export function HeatMap({ hours }: { hours: Hour[] }) {
  const at = new Map(hours.map((hour) => [hour.weekday * 24 + hour.hour, hour]));
  const most = Math.max(1e-9, ...hours.map((hour) => hour.mean));
  const days = [...new Set(hours.map((hour) => hour.weekday))].sort((one, other) => one - other);
  if (days.length === 0) return <p class="empty">Nobody was here.</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="scroll" tabIndex={0} aria-label="Users on average by hour of the week">
      <table class="heat">
        <thead>
          <tr>
            <td />
            {HOURS.map((hour) => (
              <th key={hour} scope="col">
                {hour % 3 === 0 ? hour : <span class="unseen">{hour}</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {days.map((weekday) => (
            <tr key={weekday}>
              <th scope="row">{dayName(weekday)}</th>
              {HOURS.map((hour) => (
                <Cell key={hour} of={at.get(weekday * 24 + hour)} most={most} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Cell({ of, most }: { of: Hour | undefined; most: number }) {
  if (!of) return <td />;
  const mean = number(Math.round(of.mean * 10) / 10);
  return (
    <td title={`${dayName(of.weekday)} ${of.hour}:00: ${mean} on average, at most ${of.peak}`}>
      <span class="heat-cell" style={{ opacity: of.mean === 0 ? 0 : 0.15 + (0.85 * of.mean) / most }} />
      <span class="unseen">{mean}</span>
    </td>
  );
}
