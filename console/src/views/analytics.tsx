import { useMemo } from "preact/hooks";
import { address } from "../api.ts";
import { Chart } from "../chart.tsx";
import { duration, number, plural, when } from "../format.ts";
import { Loading, Page, Pager, Panel, Problem, Table, usePages } from "../parts.tsx";
import { usePoll } from "../poll.ts";
import { to } from "../route.ts";
import type { Attendance, Online } from "../shapes.ts";
import { HeatMap, type Hour } from "./heatmap.tsx";

const WINDOWS = [
  { days: 1, title: "Today", interval_seconds: 900 },
  { days: 7, title: "7 days", interval_seconds: 3600 },
  { days: 28, title: "28 days", interval_seconds: 10_800 },
] as const;
const PAGE = 50;

interface Lengths {
  sessions: number;
  median_seconds: number | null;
  p95_seconds: number | null;
}

interface Span extends Record<string, string | number> {
  from_at: number;
  to_at: number;
  tz: string;
}

/** So many local days with today, up to this minute. */
function windowOf(days: number): Span {
  const now = Date.now();
  const tz = Intl.DateTimeFormat().resolvedOptions().timeZone || "Z";
  const from = new Date(now);
  from.setHours(0, 0, 0, 0);
  from.setDate(from.getDate() - days + 1);
  return { from_at: from.getTime(), to_at: Math.ceil(now / 60_000) * 60_000, tz };
}

export function AnalyticsView({ query }: { query: URLSearchParams }) {
  const chosen = WINDOWS.find((known) => String(known.days) === query.get("days")) ?? WINDOWS[1];
  const span = useMemo(() => windowOf(chosen.days), [chosen]);
  const week = useMemo(() => windowOf(Math.max(7, chosen.days)), [chosen]);
  const curve = usePoll<{ buckets: Online[] }>("admin/analytics/online", {
    ...span,
    interval_seconds: chosen.interval_seconds,
  });
  const lengths = usePoll<Lengths>("admin/analytics/sessions", span);
  const hours = usePoll<{ hours: Hour[] }>("admin/analytics/heatmap", week);
  if (curve.problem?.code === "unsupported") {
    return (
      <Page title="Analytics">
        <p class="empty">This server keeps no record of the past: it has no journal.</p>
      </Page>
    );
  }
  return (
    <Page
      title="Analytics"
      note={`Days and hours of ${span.tz}`}
      side={
        <nav class="tabs" aria-label="Window">
          {WINDOWS.map((known) => (
            <a
              key={known.days}
              href={to(["analytics"], { days: String(known.days) })}
              aria-current={known === chosen ? "true" : undefined}
            >
              {known.title}
            </a>
          ))}
        </nav>
      }
    >
      <Panel
        title="Users here"
        side={<Csv path="online" values={{ ...span, interval_seconds: chosen.interval_seconds }} />}
      >
        <Problem of={curve.problem} />
        <Loading of={curve} />
        {curve.value && <Curve buckets={curve.value.buckets} lengths={lengths.value} />}
      </Panel>
      <Panel title="By hour of the week" side={<Csv path="heatmap" values={week} />}>
        <Problem of={hours.problem} />
        {hours.value && <HeatMap hours={hours.value.hours} />}
      </Panel>
      <AttendancePanel span={span} />
    </Page>
  );
}

function Csv(props: { path: string; values: Record<string, string | number> }) {
  const href = address(`admin/analytics/${props.path}`, { ...props.values, format: "csv" });
  return (
    <a class="button" href={href} download={`${props.path}.csv`}>
      CSV
    </a>
  );
}

function Curve({ buckets, lengths }: { buckets: Online[]; lengths: Lengths | undefined }) {
  const now = Date.now();
  const past = buckets.filter((bucket) => bucket.start_at <= now);
  const most = Math.max(0, ...past.map((bucket) => bucket.peak));
  return (
    <>
      <p class="muted">
        At most {plural(most, "user")} at once.
        {lengths && lengths.sessions > 0 && (
          <>
            {" "}
            {plural(lengths.sessions, "session")} ended
            {lengths.median_seconds !== null && `, half of them within ${duration(lengths.median_seconds)}`}
            {lengths.p95_seconds !== null && `, 95 of 100 within ${duration(lengths.p95_seconds)}`}.
          </>
        )}
      </p>
      <Chart
        times={past.map((bucket) => bucket.start_at)}
        curves={[
          { name: "at most", ink: "accent", values: past.map((bucket) => bucket.peak) },
          { name: "on average", ink: "second", values: past.map((bucket) => bucket.mean) },
        ]}
        label={`Users here over time: at most ${most}`}
      />
    </>
  );
}

function AttendancePanel({ span }: { span: Span }) {
  const pages = usePages(String(span.from_at));
  const asked = { ...span, limit: PAGE, ...(pages.cursor && { cursor: pages.cursor }) };
  const found = usePoll<{ users: Attendance[]; next_cursor: string | null; gap_seconds: number }>(
    "admin/analytics/attendance",
    asked,
  );
  return (
    <Panel title="Attendance" side={<Csv path="attendance" values={span} />}>
      <Problem of={found.problem} />
      <Loading of={found} />
      {found.value && (
        <Table name="Attendance" head={["User", "Here for", "Days", "First", "Last"]} empty="Nobody was here.">
          {found.value.users.map((user) => (
            <tr key={user.user_id}>
              <th scope="row">
                <a href={to(["users", user.user_id])}>{user.user_id}</a>
              </th>
              <td>
                {duration(user.seconds)}
                {user.most_seconds > user.seconds + 1 && (
                  <span class="muted"> up to {duration(user.most_seconds)}</span>
                )}
              </td>
              <td class="num">{number(user.days.length)}</td>
              <td>{when(user.days[0]?.first_at)}</td>
              <td>{when(user.days.at(-1)?.last_at)}</td>
            </tr>
          ))}
        </Table>
      )}
      <Pager pages={pages} next={found.value?.next_cursor} />
    </Panel>
  );
}
