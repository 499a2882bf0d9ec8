import { useEffect, useRef, useState } from "preact/hooks";
import { read } from "../api.ts";
import { Chart } from "../chart.tsx";
import { ago, duration, number, plural, when } from "../format.ts";
import { Loading, Mark, Page, Panel, Problem, Table } from "../parts.tsx";
import { usePoll } from "../poll.ts";
import type { Health, NodeRow, Online, Stats } from "../shapes.ts";

const EVERY_SECONDS = 2;
const CURVE_MINUTES = 60;
const STATUSES = ["online", "idle", "away", "busy", "dnd", "invisible"] as const;

export function OverviewView() {
  const stats = usePoll<Stats>("admin/stats", {}, EVERY_SECONDS);
  const health = usePoll<Health>("admin/health", {}, EVERY_SECONDS);
  const nodes = usePoll<{ nodes: NodeRow[] }>("admin/nodes", {}, EVERY_SECONDS);
  const flow = useFlow(health.value);
  const curve = useCurve(stats.value);
  return (
    <Page
      title="Overview"
      note={
        stats.value &&
        `${stats.value.everywhere.nodes > 1 ? `The node ${health.value?.node ?? "that answers"}, ` : ""}as of ${when(stats.value.as_of_at)}`
      }
    >
      <Problem of={stats.problem ?? health.problem ?? nodes.problem} />
      <Loading of={stats} />
      {stats.value && (
        <div class="tiles">
          <Tile name="Here now" value={stats.value.total} note={`${number(stats.value.sessions)} sessions`} />
          <Tile name="Connections" value={stats.value.connections} note={`${number(stats.value.rooms)} rooms`} />
          {flow && <Tile name="Joins" value={flow.joins} note={`in the last ${duration(flow.seconds)}`} />}
          {flow && <Tile name="Leaves" value={flow.leaves} note={`in the last ${duration(flow.seconds)}`} />}
          {health.value && <Ghosts count={health.value.ghosts} />}
        </div>
      )}
      {stats.value && <Statuses stats={stats.value} />}
      <Panel title="Users here" side={<span class="muted">the last hour, live</span>}>
        <Chart
          times={curve.map((point) => point.at)}
          curves={[{ name: "users", ink: "accent", values: curve.map((point) => point.users) }]}
          label={`Users here over the last hour; now ${stats.value?.total ?? 0}`}
        />
      </Panel>
      {nodes.value && stats.value && <Nodes rows={nodes.value.nodes} stats={stats.value} />}
      {health.value && <Checks health={health.value} />}
    </Page>
  );
}

function Tile(props: { name: string; value: number; note: string; bad?: boolean }) {
  return (
    <div class={`tile ${props.bad ? "is-bad" : ""}`} data-tile={props.name}>
      <span class="muted">{props.name}</span>
      <strong>{number(props.value)}</strong>
      <span class="muted">{props.note}</span>
    </div>
  );
}

function Ghosts({ count }: { count: number }) {
  const note = count === 0 ? "none, as it must be" : "shown, though silent for too long";
  return <Tile name="Ghosts" value={count} note={note} bad={count > 0} />;
}

function Statuses({ stats }: { stats: Stats }) {
  const shown = STATUSES.filter((status) => stats[status] > 0);
  return (
    <Panel title="By status" side={stats.stale > 0 && <Mark ok={false}>{number(stats.stale)} stale</Mark>}>
      {shown.length === 0 && <p class="empty">Nobody is here.</p>}
      {shown.length > 0 && (
        <>
          <div class="bar" aria-hidden="true">
            {shown.map((status) => (
              <span key={status} class={`is-${status}`} style={{ flexGrow: stats[status] }} />
            ))}
          </div>
          <ul class="key">
            {shown.map((status) => (
              <li key={status}>
                <span class={`swatch is-${status}`} aria-hidden="true" /> {status === "dnd" ? "do not disturb" : status}{" "}
                <strong>{number(stats[status])}</strong>
              </li>
            ))}
          </ul>
        </>
      )}
    </Panel>
  );
}

function Checks({ health }: { health: Health }) {
  return (
    <Panel title="Health" side={<span class="muted">{health.node}</span>}>
      <ul class="plain">
        {health.checks.map((check) => (
          <li key={check.name}>
            <Mark ok={check.is_ok}>{check.name}</Mark> <span class="muted">{check.found}</span>
          </li>
        ))}
        <li>
          <Mark ok={health.journal_lost_rows === 0}>journal rows</Mark>{" "}
          <span class="muted">
            {number(health.journal_queued_rows)} wait, {number(health.journal_lost_rows)} lost
          </span>
        </li>
        <li>
          <Mark ok={health.faults === 0}>faults</Mark>{" "}
          <span class="muted">{number(health.faults)} since the start</span>
        </li>
        <li>
          <Mark ok={health.longest_stall_seconds < 1}>longest stall</Mark>{" "}
          <span class="muted">{duration(health.longest_stall_seconds)}</span>
        </li>
      </ul>
    </Panel>
  );
}

const NODES = ["Node", "State", "Sessions", "Connections", "CPUs", "Lease renewed", "Up for", "Version"];

/** A number that a node has told, if it has. */
const told = (value: number | null | undefined): string => (typeof value === "number" ? number(value) : "–");

function Nodes({ rows, stats }: { rows: NodeRow[]; stats: Stats }) {
  const { users, sessions } = stats.everywhere;
  const now = stats.as_of_at;
  const sums = `${plural(users, "user")} and ${plural(sessions, "session")} on all of them`;
  return (
    <Panel title="Nodes" side={rows.length > 1 && <span class="muted">{sums}</span>}>
      <Table name="Nodes" head={NODES} empty="No node is known.">
        {rows.map(({ node, state, started_at, alive_at, summary }) => (
          <tr key={`${node} ${started_at}`}>
            <th scope="row">{node}</th>
            <td>
              <Mark ok={state === "serving"}>{state}</Mark>
            </td>
            <td class="num">{told(summary?.sessions)}</td>
            <td class="num">{told(summary?.connections)}</td>
            <td class="num">{told(summary?.cpus)}</td>
            <td>{ago(alive_at, now)}</td>
            <td>{duration((now - started_at) / 1000)}</td>
            <td>{summary?.version || "–"}</td>
          </tr>
        ))}
      </Table>
    </Panel>
  );
}

interface Counted {
  at: number;
  joins: number;
  leaves: number;
}

/** Joins and leaves of the last minute, from counters that only grow. */
function useFlow(health: Health | undefined): { joins: number; leaves: number; seconds: number } | undefined {
  const seen = useRef<Counted[]>([]);
  if (!health) return undefined;
  const leaves = Object.values(health.leaves).reduce((sum, count) => sum + count, 0);
  const now: Counted = { at: health.as_of_at, joins: health.joins, leaves };
  const kept = seen.current;
  if (kept.at(-1)?.at !== now.at) {
    // A node that began anew counts from nothing.
    if ((kept.at(-1)?.joins ?? 0) > now.joins) kept.length = 0;
    kept.push(now);
    while ((kept[0]?.at ?? now.at) < now.at - 60_000) kept.shift();
  }
  const first = kept[0] ?? now;
  const seconds = Math.max(1, Math.round((now.at - first.at) / 1000));
  return { joins: now.joins - first.joins, leaves: now.leaves - first.leaves, seconds };
}

interface Point {
  at: number;
  users: number;
}

/** Users over the last hour: what the journal remembers, then what is seen live. */
function useCurve(stats: Stats | undefined): Point[] {
  const [past, setPast] = useState<Point[]>([]);
  const live = useRef<Point[]>([]);
  useEffect(() => {
    const to_at = Date.now();
    const asked = { from_at: to_at - CURVE_MINUTES * 60_000, to_at, interval_seconds: 60 };
    read<{ buckets: Online[] }>("admin/analytics/online", asked).then(
      ({ buckets }) => setPast(buckets.map((bucket) => ({ at: bucket.start_at, users: bucket.peak }))),
      () => setPast([]), // no journal: the curve begins now
    );
  }, []);
  const points = live.current;
  if (stats && points.at(-1)?.at !== stats.as_of_at) {
    points.push({ at: stats.as_of_at, users: stats.total });
    if (points.length > (CURVE_MINUTES * 60) / EVERY_SECONDS) points.shift();
  }
  const begun = points[0]?.at ?? Number.POSITIVE_INFINITY;
  return [...past.filter((point) => point.at < begun), ...points];
}
