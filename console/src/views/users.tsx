import { useState } from "preact/hooks";
import { ago } from "../format.ts";
import { Field, Form, Loading, Page, Pager, Problem, StatusBadge, Table, usePages } from "../parts.tsx";
import { usePoll } from "../poll.ts";
import { to } from "../route.ts";
import type { SessionRow } from "../shapes.ts";

const EVERY_SECONDS = 3;
const PAGE = 50;

interface Found {
  sessions: SessionRow[];
  next_cursor: string | null;
  node: string | null;
}

/** Sessions of a page as they are now, narrowed to a room or a node; and the way to any user by name. */
export function UsersView({ query }: { query: URLSearchParams }) {
  const room = query.get("room") ?? "";
  const node = query.get("node") ?? "";
  const [userId, setUserId] = useState("");
  const [inRoom, setInRoom] = useState(room);
  const pages = usePages(`${room}\n${node}`);
  const asked = {
    limit: PAGE,
    ...(room && { room }),
    ...(node && { node }),
    ...(pages.cursor && { cursor: pages.cursor }),
  };
  const found = usePoll<Found>("admin/sessions", asked, EVERY_SECONDS);
  const now = Date.now();
  return (
    <Page
      title="Users"
      note={
        room
          ? `Sessions in the room ${room}, of all nodes`
          : `Everybody with a session${found.value?.node ? ` on ${found.value.node}` : ""}, invisible ones too. A user may have several.`
      }
    >
      <div class="filters">
        <Form
          label="Find a user"
          onSubmit={() => {
            if (userId) location.hash = to(["users", userId]);
          }}
        >
          <Field label="User id" value={userId} onValue={setUserId} required />
          <button type="submit" class="solid">
            Explain
          </button>
        </Form>
        <Form
          label="Narrow to a room"
          onSubmit={() => {
            location.hash = to(["users"], { room: inRoom, node });
          }}
        >
          <Field label="Only in the room" value={inRoom} onValue={setInRoom} />
          <button type="submit">Narrow</button>
        </Form>
      </div>
      <Problem of={found.problem} />
      <Loading of={found} />
      {found.value && (
        <Table
          name="Sessions"
          head={["User", "Status", "Session", "Device", "Heard", "Rooms", "Node"]}
          empty={room ? "Nobody is in this room." : "Nobody is here."}
        >
          {found.value.sessions.map((row) => (
            <tr key={row.session_id}>
              <th scope="row">
                <a href={to(["users", row.user_id])}>{row.user_id}</a>
                {row.name && <span class="muted"> {row.name}</span>}
              </th>
              <td>
                <StatusBadge status={row.status} invisible={row.invisible} />
              </td>
              <td>
                {row.phase ?? <span class="muted">elsewhere</span>}
                {row.stale && <span class="warn"> · stale</span>}
              </td>
              <td>
                {row.platform ?? "–"}
                <span class="muted"> {row.visible ? "visible" : "hidden"}</span>
              </td>
              <td>{ago(row.last_seen_at, now)}</td>
              <td class="wide">{row.rooms.join(", ") || "–"}</td>
              <td>{row.node}</td>
            </tr>
          ))}
        </Table>
      )}
      <Pager pages={pages} next={found.value?.next_cursor} />
    </Page>
  );
}
