import { useEffect, useState } from "preact/hooks";
import { Refused, read } from "../api.ts";
import { ago, when } from "../format.ts";
import { Field, Form, Panel, Problem, StatusBadge, Table } from "../parts.tsx";
import type { Explained, PolicyAnswer, ViewExplained } from "../shapes.ts";

const STRANGER = "somebody";

interface Seen {
  role: string;
  view: ViewExplained;
  at: number;
}

/** What others see of a user: a named viewer, or somebody of each role that the policy knows, side by side. */
export function ViewAs({ userId }: { userId: string }) {
  const [viewer, setViewer] = useState("");
  const [role, setRole] = useState("");
  const [asked, setAsked] = useState<{ viewer: string; roles: string[] }>();
  const [seen, setSeen] = useState<Seen[]>();
  const [problem, setProblem] = useState<Refused>();
  const roles = useRoles();

  useEffect(() => {
    const question = asked ?? { viewer: STRANGER, roles };
    if (question.roles.length === 0) return;
    const stop = new AbortController();
    Promise.all(question.roles.map((one) => look(userId, question.viewer, one, stop.signal))).then(
      (found) => {
        setSeen(found);
        setProblem(undefined);
      },
      (error) => {
        if (error instanceof Refused) setProblem(error);
      },
    );
    return () => stop.abort();
  }, [userId, asked, roles]);

  return (
    <Panel title="View as">
      <Form label="View as" class="filters" onSubmit={() => setAsked(viewer ? { viewer, roles: [role] } : undefined)}>
        <Field label="Viewer (empty: compare roles)" value={viewer} onValue={setViewer} />
        <Field label="Role, if the viewer is not here" value={role} onValue={setRole} />
        <button type="submit">Look</button>
      </Form>
      <Problem of={problem} />
      {seen && (
        <Table name="Views" head={["Seen by", "View", "Sees", "Last seen", "Says so"]} empty="">
          {seen.map(({ role, view, at }) => (
            <tr key={role}>
              <th scope="row">
                {asked ? view.viewer : role || "no role"}
                {asked && <span class="muted"> {view.role ?? "no role"}</span>}
              </th>
              <td>
                {view.view}
                {asked && !view.may_watch && <span class="warn"> · may not watch</span>}
              </td>
              <td>
                <StatusBadge status={view.card.status} />
              </td>
              <td>
                {view.card.last_seen_at
                  ? when(view.card.last_seen_at)
                  : view.card.status === "offline"
                    ? "–"
                    : ago(at, at)}
              </td>
              <td class="muted">{view.layer}</td>
            </tr>
          ))}
        </Table>
      )}
    </Panel>
  );
}

async function look(userId: string, viewer: string, role: string, signal: AbortSignal): Promise<Seen> {
  const path = `users/${encodeURIComponent(userId)}/explain`;
  const told = await read<Explained>(path, { viewer, role }, signal);
  if (!told.view) throw new Refused(500, "internal", "the server told no view");
  return { role, view: told.view, at: told.as_of_at };
}

/** The roles that the policy names, and none at all. */
function useRoles(): string[] {
  const [roles, setRoles] = useState<string[]>([]);
  useEffect(() => {
    read<PolicyAnswer>("admin/policy").then(
      ({ in_force }) => setRoles(["", ...named(in_force)]),
      () => setRoles(["", "admin"]), // another tenant's admin may not read the policy
    );
  }, []);
  return roles;
}

function named(rows: PolicyAnswer["in_force"]): string[] {
  const found = new Set(["admin"]);
  for (const row of rows) {
    if (row.layer.startsWith("role ")) found.add(row.layer.slice("role ".length));
    for (const key of ["views", "views_users"]) {
      const views = row.values[key];
      if (views && typeof views === "object") for (const role of Object.keys(views)) found.add(role);
    }
  }
  return [...found].filter((role) => role !== "default" && !role.startsWith("@")).sort();
}
