import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Refused } from "./api.ts";

/** A view: its heading, what stands beside it, and what is in it. */
export function Page(props: {
  title: string;
  note?: ComponentChildren;
  side?: ComponentChildren;
  children: ComponentChildren;
}) {
  useEffect(() => {
    document.title = `${props.title} · Hereabouts`;
  }, [props.title]);
  return (
    <>
      <header class="page">
        <div>
          <h1>{props.title}</h1>
          {props.note && <p class="muted">{props.note}</p>}
        </div>
        <div class="row">{props.side}</div>
      </header>
      {props.children}
    </>
  );
}

export function Panel(props: { title: string; side?: ComponentChildren; children: ComponentChildren; class?: string }) {
  return (
    <section class={`panel ${props.class ?? ""}`}>
      <header>
        <h2>{props.title}</h2>
        <div class="row">{props.side}</div>
      </header>
      {props.children}
    </section>
  );
}

/** A table that scrolls by itself where the page is narrow. Rows are given; `empty` stands where there are none. */
export function Table(props: { name: string; head: string[]; empty: string; children: JSX.Element[] }) {
  if (props.children.length === 0) return <p class="empty">{props.empty}</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="scroll" tabIndex={0} aria-label={props.name}>
      <table>
        <thead>
          <tr>
            {props.head.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </section>
  );
}

export function StatusBadge(props: { status: string; invisible?: boolean }) {
  const shown = props.invisible ? "invisible" : props.status;
  return <span class={`badge is-${shown}`}>{shown === "dnd" ? "do not disturb" : shown}</span>;
}

export function Mark(props: { ok: boolean; children: ComponentChildren }) {
  return <span class={`mark ${props.ok ? "is-ok" : "is-bad"}`}>{props.children}</span>;
}

/** What was refused, in the server's words. */
export function Problem(props: { of: Refused | undefined }) {
  if (!props.of) return null;
  return (
    <p class="problem" role="alert">
      {props.of.message}
    </p>
  );
}

export function Loading(props: { of: { value: unknown; problem: unknown } }) {
  return props.of.value === undefined && !props.of.problem ? <p class="empty">Loading …</p> : null;
}

/** Pages of a list by the server's cursors: where one is, and the way to the next and back to the first. */
export function usePages(key: string): { cursor: string; turn: (to: string) => void; first: () => void; page: number } {
  const [state, setState] = useState({ key, cursor: "", page: 1 });
  const now = state.key === key ? state : { key, cursor: "", page: 1 };
  return {
    cursor: now.cursor,
    page: now.page,
    turn: (cursor) => setState({ key, cursor, page: now.page + 1 }),
    first: () => setState({ key, cursor: "", page: 1 }),
  };
}

export function Pager(props: { pages: ReturnType<typeof usePages>; next: string | number | null | undefined }) {
  const { pages, next } = props;
  if (pages.page === 1 && !next) return null;
  return (
    <nav class="pager" aria-label="Pages">
      <button type="button" onClick={pages.first} disabled={pages.page === 1}>
        First page
      </button>
      <span>Page {pages.page}</span>
      <button type="button" onClick={() => next && pages.turn(String(next))} disabled={!next}>
        Next page
      </button>
    </nav>
  );
}

/** A field with its label above it. */
export function Field(props: {
  label: string;
  value: string;
  onValue: (value: string) => void;
  type?: "text" | "password" | "number" | "date";
  required?: boolean;
  placeholder?: string;
}) {
  return (
    <label class="field">
      <span>{props.label}</span>
      <input
        type={(props.type ?? "text") as "text" /* each of them is typed in alike */}
        value={props.value}
        onInput={(event) => props.onValue(event.currentTarget.value)}
        required={props.required ?? false}
        placeholder={props.placeholder ?? ""}
        autocomplete="off"
        spellcheck={false}
      />
    </label>
  );
}

/** A form that asks nothing of the server by itself. */
export function Form(props: { onSubmit: () => void; children: ComponentChildren; class?: string; label: string }) {
  return (
    <form
      class={props.class ?? "row"}
      aria-label={props.label}
      onSubmit={(event) => {
        event.preventDefault();
        props.onSubmit();
      }}
    >
      {props.children}
    </form>
  );
}
