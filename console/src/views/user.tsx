import { ActButton, useActing } from "../acting.tsx";
import { act } from "../api.ts";
import { ago, duration, plural, when } from "../format.ts";
import { Loading, Mark, Page, Panel, Problem, StatusBadge, Table } from "../parts.tsx";
import { usePoll } from "../poll.ts";
import { to } from "../route.ts";
import type { Cooldown, Explained, SessionRow } from "../shapes.ts";
import { Timeline } from "./timeline.tsx";
import { ViewAs } from "./viewas.tsx";

const EVERY_SECONDS = 2;

/** One user, and why the server says so. */
export function UserView({ userId }: { userId: string }) {
  const found = usePoll<Explained>(`users/${encodeURIComponent(userId)}/explain`, {}, EVERY_SECONDS);
  const told = found.value;
  return (
    <Page
      title={userId}
      note={<a href={to(["users"])}>All users</a>}
      side={
        told &&
        told.sessions.length > 0 && (
          <ActButton
            meant={{
              title: `End all sessions of ${userId}`,
              path: "admin/clear",
              body: { what: "user", id: userId },
              mayCool: true,
              after: found.again,
            }}
          >
            End all sessions
          </ActButton>
        )
      }
    >
      <Problem of={found.problem} />
      <Loading of={found} />
      {told && (
        <>
          <Answer told={told} />
          <div class="columns">
            <Panel title="What happened, and what will">
              <Timeline told={told} />
            </Panel>
            <ViewAs userId={userId} />
          </div>
          <Panel title="Sessions" side={<span class="muted">{plural(told.sessions.length, "session")}</span>}>
            <Sessions told={told} again={found.again} />
          </Panel>
          {told.held_out.length > 0 && <HeldOut rows={told.held_out} again={found.again} />}
        </>
      )}
    </Page>
  );
}

function Answer({ told }: { told: Explained }) {
  const { status } = told;
  return (
    <section class="panel answer">
      <StatusBadge status={status.status} />
      <p>
        <strong>{sentence(status.rule)}</strong>
        <span class="muted">
          {" "}
          The axis that won: {status.axis}.{status.declared?.text && ` It says “${status.declared.text}”.`}
          {status.declared?.until_at && ` Until ${when(status.declared.until_at)}.`}
        </span>
      </p>
      {told.degraded && <Mark ok={false}>the store is out of reach: this may be out of date</Mark>}
    </section>
  );
}

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

function Sessions({ told, again }: { told: Explained; again: () => void }) {
  const reasons = new Set(told.status.because);
  return (
    <Table
      name="Sessions"
      head={["Session", "Is", "Attention", "Device", "Opened", "Heard", "Lease ends in", "Rooms", ""]}
      empty="There is no session."
    >
      {told.sessions.map(({ session }) => (
        <tr key={session.session_id}>
          <th scope="row">
            <code>{session.session_id}</code>
            {reasons.has(session.session_id) && <span class="tag">decides the status</span>}
          </th>
          <td>
            {session.phase}
            {session.stale && <span class="warn"> · stale</span>}
            {!session.connected && <span class="muted"> · no connection</span>}
          </td>
          <td>{attention(session)}</td>
          <td>
            {session.platform ?? "–"} <span class="muted">on {session.node}</span>
          </td>
          <td>{when(session.opened_at)}</td>
          <td>{ago(session.last_seen_at, told.as_of_at)}</td>
          <td class="num">{left(session.lease_expires_at, told.as_of_at)}</td>
          <td class="wide">{session.rooms.join(", ") || "–"}</td>
          <td>
            <ActButton
              meant={{
                title: `End the session ${session.session_id}`,
                path: "admin/clear",
                body: { what: "session", id: session.session_id },
                after: again,
              }}
            >
              End
            </ActButton>
          </td>
        </tr>
      ))}
    </Table>
  );
}

const left = (until_at: number | null, now: number): string =>
  until_at === null ? "–" : duration(Math.max(0, (until_at - now) / 1000));

function attention(session: SessionRow): string {
  return `${session.visible ? "visible" : "hidden"}, ${session.active ? "with input" : "no input"}`;
}

function HeldOut({ rows, again }: { rows: Cooldown[]; again: () => void }) {
  const { me } = useActing();
  const end = async (row: Cooldown) => {
    await act("DELETE", `admin/cooldowns?${new URLSearchParams({ kind: row.kind, id: row.id })}`);
    again();
  };
  return (
    <Panel title="Held out">
      <Table name="Cooldowns" head={["What", "Until", "Reason", ""]} empty="">
        {rows.map((row) => (
          <tr key={`${row.kind} ${row.id}`}>
            <th scope="row">
              {row.kind} {row.id.replace("\n", " · ")}
            </th>
            <td>{when(row.until_at)}</td>
            <td>{row.reason ?? "–"}</td>
            <td>
              {me.may_act && (
                <button type="button" onClick={() => end(row)}>
                  End it now
                </button>
              )}
            </td>
          </tr>
        ))}
      </Table>
    </Panel>
  );
}
