import { useState } from "preact/hooks";
import { ActButton } from "../acting.tsx";
import { number } from "../format.ts";
import { Field, Form, Loading, Page, Pager, Problem, Table, usePages } from "../parts.tsx";
import { usePoll } from "../poll.ts";
import { to } from "../route.ts";
import type { RoomRow } from "../shapes.ts";

const EVERY_SECONDS = 3;
const PAGE = 50;

export function RoomsView({ query }: { query: URLSearchParams }) {
  const prefix = query.get("prefix") ?? "";
  const [typed, setTyped] = useState(prefix);
  const pages = usePages(prefix);
  const asked = { limit: PAGE, ...(prefix && { prefix }), ...(pages.cursor && { cursor: pages.cursor }) };
  const found = usePoll<{ rooms: RoomRow[]; next_cursor: string | null }>("admin/rooms", asked, EVERY_SECONDS);
  return (
    <Page
      title="Rooms"
      note="Rooms that somebody on this node is in or looks at. Users are counted once, over all nodes. Viewers are connections to this node."
    >
      <Form
        label="Find rooms"
        class="filters"
        onSubmit={() => {
          location.hash = to(["rooms"], { prefix: typed });
        }}
      >
        <Field label="The name begins with" value={typed} onValue={setTyped} />
        <button type="submit">Find</button>
      </Form>
      <Problem of={found.problem} />
      <Loading of={found} />
      {found.value && (
        <Table
          name="Rooms"
          head={["Room", "Users", "Sessions", "Viewers", "Told as", ""]}
          empty="There is no such room."
        >
          {found.value.rooms.map((row) => (
            <tr key={row.room}>
              <th scope="row">
                <a href={to(["users"], { room: row.room })}>{row.room}</a>
              </th>
              <td class="num">{number(row.count)}</td>
              <td class="num">{number(row.sessions)}</td>
              <td class="num">{number(row.viewers)}</td>
              <td>{row.mode === "summary" ? "counts alone" : "who is in it"}</td>
              <td>
                <ActButton
                  meant={{
                    title: `Take everybody out of ${row.room}`,
                    path: "admin/clear",
                    body: { what: "room", id: row.room },
                    mayCool: true,
                    after: found.again,
                  }}
                >
                  Clear
                </ActButton>
              </td>
            </tr>
          ))}
        </Table>
      )}
      <Pager pages={pages} next={found.value?.next_cursor} />
    </Page>
  );
}
