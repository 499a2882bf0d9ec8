import { useState } from "preact/hooks";
import { address } from "../api.ts";
import { when } from "../format.ts";
import { Field, Form, Loading, Page, Pager, Problem, Table, usePages } from "../parts.tsx";
import { usePoll } from "../poll.ts";
import { to } from "../route.ts";
import type { AuditRow } from "../shapes.ts";

const PAGE = 50;
const NARROWED = ["actor", "action", "target", "user_id"] as const;
const LABELS: Record<string, string> = { actor: "Who", action: "Did", target: "To", user_id: "Concerning the user" };

export function AuditView({ query }: { query: URLSearchParams }) {
  const chosen = Object.fromEntries(NARROWED.map((name) => [name, query.get(name) ?? ""]));
  const [typed, setTyped] = useState<Record<string, string>>({ ...chosen, since: query.get("since") ?? "" });
  const since = query.get("since");
  const asked: Record<string, string | number> = {
    ...Object.fromEntries(Object.entries(chosen).filter(([, value]) => value)),
    ...(since && { since_at: new Date(`${since}T00:00`).getTime() }),
  };
  const pages = usePages(JSON.stringify(asked));
  const page = { ...asked, limit: PAGE, ...(pages.cursor && { cursor: pages.cursor }) };
  const found = usePoll<{ entries: AuditRow[]; next_cursor: number | null }>("admin/audit", page);
  return (
    <Page
      title="Audit"
      note="What admins did, newest first."
      side={
        <>
          <a class="button" href={address("admin/audit/export", { ...asked, format: "csv" })} download="audit.csv">
            CSV
          </a>
          <a class="button" href={address("admin/audit/export", { ...asked, format: "jsonl" })} download="audit.jsonl">
            JSON lines
          </a>
        </>
      }
    >
      <Form
        label="Narrow"
        class="filters"
        onSubmit={() => {
          location.hash = to(["audit"], typed);
        }}
      >
        {NARROWED.map((name) => (
          <Field
            key={name}
            label={LABELS[name] ?? name}
            value={typed[name] ?? ""}
            onValue={(value) => setTyped({ ...typed, [name]: value })}
          />
        ))}
        <Field
          label="Since the day"
          type="date"
          value={typed.since ?? ""}
          onValue={(value) => setTyped({ ...typed, since: value })}
        />
        <button type="submit">Narrow</button>
      </Form>
      {found.problem?.code === "unsupported" ? (
        <p class="empty">This server keeps no audit: it has no journal.</p>
      ) : (
        <Problem of={found.problem} />
      )}
      <Loading of={found} />
      {found.value && (
        <Table
          name="Audit"
          head={["When", "Who", "Did", "To", "Why", "From", "Details"]}
          empty="Nothing was done that fits."
        >
          {found.value.entries.map((row) => (
            <tr key={row.id}>
              <td>{when(row.at)}</td>
              <th scope="row">{row.actor}</th>
              <td>{row.action.replaceAll("_", " ")}</td>
              <td class="wide">{row.target}</td>
              <td class="wide">{row.reason ?? "–"}</td>
              <td>{row.origin ?? "–"}</td>
              <td class="wide">
                <code>{Object.keys(row.details).length > 0 ? JSON.stringify(row.details) : "–"}</code>
              </td>
            </tr>
          ))}
        </Table>
      )}
      <Pager pages={pages} next={found.value?.next_cursor} />
    </Page>
  );
}
