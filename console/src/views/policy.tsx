import { useState } from "preact/hooks";
import { duration, told, when } from "../format.ts";
import { Loading, Page, Panel, Problem, Table } from "../parts.tsx";
import { usePoll } from "../poll.ts";
import type { PolicyAnswer, PolicyRow } from "../shapes.ts";

/** The policy in force: the ghost bound of each layer, every value, and which layer won it. */
export function PolicyView() {
  const found = usePoll<PolicyAnswer>("admin/policy");
  const [chosen, setChosen] = useState("default");
  const rows = found.value?.in_force ?? [];
  const row = rows.find((one) => one.layer === chosen) ?? rows[0];
  return (
    <Page title="Policy" note="What is in force now: shipped defaults, then the file, then what was set at run time.">
      <Problem of={found.problem} />
      <Loading of={found} />
      {found.value && (
        <>
          <Panel title="The ghost bound">
            <p class="muted">Somebody who falls silent without a word is shown as gone within this time.</p>
            <div class="tiles">
              {rows.map((one) => (
                <button
                  type="button"
                  key={one.layer}
                  class="tile"
                  aria-pressed={one === row}
                  onClick={() => setChosen(one.layer)}
                >
                  <span class="muted">{one.layer}</span>
                  <strong>{duration(one.ghost_seconds)}</strong>
                  <span class="muted">{won(one)}</span>
                </button>
              ))}
            </div>
          </Panel>
          {row && <Values row={row} />}
          <Overlay of={found.value} />
        </>
      )}
    </Page>
  );
}

function won(row: PolicyRow): string {
  const count = Object.values(row.winners).filter((winner) => winner.startsWith(row.layer)).length;
  return `${count} of its own`;
}

function Values({ row }: { row: PolicyRow }) {
  return (
    <Panel title={`Values for ${row.layer}`}>
      <Table name="Values" head={["Clock or rule", "Value", "Won by"]} empty="">
        {Object.entries(row.values).map(([key, value]) => (
          <tr key={key}>
            <th scope="row">
              <code>{key}</code>
            </th>
            <td class="wide">
              {key.endsWith("_seconds") && typeof value === "number" ? duration(value) : told(value)}
            </td>
            <td>
              {row.winners[key] ? <span class="tag">{row.winners[key]}</span> : <span class="muted">shipped</span>}
            </td>
          </tr>
        ))}
      </Table>
    </Panel>
  );
}

function Overlay({ of }: { of: PolicyAnswer }) {
  return (
    <Panel title="Set at run time">
      {of.overlay ? (
        <pre>{JSON.stringify(of.overlay, null, 2)}</pre>
      ) : (
        <p class="muted">Nothing lies over the file’s policy.</p>
      )}
      {of.versions.length > 0 && (
        <Table name="Versions" head={["Version", "When", "Who", "Why", "Came to"]} empty="">
          {of.versions.map((version) => (
            <tr key={version.version}>
              <td class="num">{version.version}</td>
              <td>{when(version.at)}</td>
              <th scope="row">{version.actor}</th>
              <td class="wide">{version.reason ?? "–"}</td>
              <td class="wide">
                <code>{version.policy ? JSON.stringify(version.policy) : "taken away"}</code>
              </td>
            </tr>
          ))}
        </Table>
      )}
    </Panel>
  );
}
