import { useState } from "preact/hooks";
import { ActButton } from "../acting.tsx";
import { ago, number, when } from "../format.ts";
import { Field, Form, Loading, Page, Problem, Table } from "../parts.tsx";
import { usePoll } from "../poll.ts";
import { to } from "../route.ts";
import type { Holding } from "../shapes.ts";

const EVERY_SECONDS = 3;
const SHOWN = 200;
const KEY = "hereabouts-console-kind";

/** Who holds what of a kind. The server lists one kind at a time. */
export function HoldingsView({ query }: { query: URLSearchParams }) {
  const kind = query.get("kind") ?? localStorage.getItem(KEY) ?? "account";
  const [typed, setTyped] = useState(kind);
  const [word, setWord] = useState("");
  const path = `occupancy/${encodeURIComponent(kind)}`;
  const found = usePoll<{ held: Holding[] }>(path, {}, EVERY_SECONDS);
  const fitting = (found.value?.held ?? []).filter(
    (held) => !word || held.resource.includes(word) || held.user_id?.includes(word),
  );
  const now = Date.now();
  return (
    <Page title="Holdings" note="Resources that somebody holds: accounts, desks, documents.">
      <Form
        label="Which kind"
        class="filters"
        onSubmit={() => {
          localStorage.setItem(KEY, typed);
          location.hash = to(["holdings"], { kind: typed });
        }}
      >
        <Field label="Kind of resource" value={typed} onValue={setTyped} required />
        <button type="submit">Show</button>
        <Field label="Resource or user has in it" value={word} onValue={setWord} />
      </Form>
      {found.problem?.code === "forbidden" ? (
        <p class="empty">To see holdings the key needs the scope read as well.</p>
      ) : (
        <Problem of={found.problem} />
      )}
      <Loading of={found} />
      {found.value && (
        <Table
          name="Holdings"
          head={["Resource", "Held by", "Since", "Last input", "Grant", ""]}
          empty={`Nothing of the kind ${kind} is held.`}
        >
          {fitting.slice(0, SHOWN).map((held) => (
            <tr key={`${held.resource} ${held.user_id}`}>
              <th scope="row">{held.resource}</th>
              <td>
                {held.user_id ? <a href={to(["users", held.user_id])}>{held.user_id}</a> : "–"}
                {held.name && <span class="muted"> {held.name}</span>}
                {held.stale && <span class="warn"> · stale</span>}
              </td>
              <td>{when(held.since_at)}</td>
              <td>{ago(held.last_active_at, now)}</td>
              <td class="num">{held.fencing ?? "–"}</td>
              <td>
                <ActButton
                  meant={{
                    title: `Clear ${held.resource}`,
                    path: "admin/clear",
                    body: { what: "holding", id: held.resource },
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
      {fitting.length > SHOWN && (
        <p class="muted">
          {SHOWN} of {number(fitting.length)} are shown; narrow them down above.
        </p>
      )}
    </Page>
  );
}
