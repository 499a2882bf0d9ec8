import type { ComponentChildren } from "preact";
import { createContext } from "preact";
import { useContext, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { act, Refused, type SignedIn } from "./api.ts";
import { number, plural, when } from "./format.ts";
import { Field, Form, Problem } from "./parts.tsx";

/** An act that somebody means: what the call takes besides reason and dry run, and how it is told. */
export interface Meant {
  title: string;
  path: string;
  body: Record<string, unknown>;
  /** Whether it may keep out for a while as well. */
  mayCool?: boolean;
  after?: () => void;
}

interface Reached {
  sessions: number;
  users: string[];
  until_at: number | null;
  audited: boolean;
}

interface Acting {
  me: SignedIn;
  mean: (meant: Meant) => void;
}

export const UNDO_SECONDS = 8;

const Context = createContext<Acting | null>(null);

/** Who is signed in, and the way to an act. */
export function useActing(): Acting {
  const acting = useContext(Context);
  if (!acting) throw new Error("useActing is for what stands in ActingProvider");
  return acting;
}

/** A button for an act; nobody who only reads sees it. */
export function ActButton(props: { children: ComponentChildren; meant: Meant }) {
  const { me, mean } = useActing();
  if (!me.may_act) return null;
  return (
    <button type="button" class="danger" onClick={() => mean(props.meant)}>
      {props.children}
    </button>
  );
}

/** Asks for the reason, shows by a dry run what would happen, then waits: until the time is over it can be undone. */
export function ActingProvider(props: { me: SignedIn; children: ComponentChildren }) {
  const [meant, setMeant] = useState<Meant>();
  const [waiting, setWaiting] = useState<{ id: number; meant: Meant; body: Record<string, unknown> }[]>([]);
  return (
    <Context.Provider value={{ me: props.me, mean: setMeant }}>
      {props.children}
      {meant && (
        <Confirm
          meant={meant}
          onCancel={() => setMeant(undefined)}
          onDo={(body) => {
            setWaiting((now) => [...now, { id: Date.now(), meant, body }]);
            setMeant(undefined);
          }}
        />
      )}
      <div class="toasts" role="status" aria-live="polite">
        {waiting.map((entry) => (
          <Pending
            key={entry.id}
            meant={entry.meant}
            body={entry.body}
            onOver={() => setWaiting((now) => now.filter((other) => other !== entry))}
          />
        ))}
      </div>
    </Context.Provider>
  );
}

function Confirm(props: { meant: Meant; onCancel: () => void; onDo: (body: Record<string, unknown>) => void }) {
  const { meant } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const [reason, setReason] = useState("");
  const [minutes, setMinutes] = useState("");
  const [found, setFound] = useState<Reached>();
  const [problem, setProblem] = useState<Refused>();
  useLayoutEffect(() => dialog.current?.showModal(), []);

  const cooled = meant.mayCool && Number(minutes) > 0;
  const cooling = cooled ? { mode: "cooldown", cooldown_seconds: Number(minutes) * 60 } : {};
  const body = { ...meant.body, ...cooling, reason: reason.trim() };
  const tryOut = async () => {
    try {
      setProblem(undefined);
      setFound(await act<Reached>("POST", meant.path, { ...body, dry_run: true }));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      setProblem(error);
    }
  };

  return (
    <dialog ref={dialog} onClose={props.onCancel} aria-labelledby="act-title">
      <h2 id="act-title">{meant.title}</h2>
      <Form label={meant.title} class="stack" onSubmit={found ? () => props.onDo(body) : tryOut}>
        <Field label="Reason, for the audit" value={reason} onValue={setReason} required />
        {meant.mayCool && (
          <Field
            label="Keep out for so many minutes (empty: not at all)"
            type="number"
            value={minutes}
            onValue={(value) => {
              setMinutes(value);
              setFound(undefined);
            }}
          />
        )}
        <Problem of={problem} />
        {found && <DryRun found={found} />}
        <div class="row end">
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" class={found ? "danger solid" : "solid"}>
            {found ? "Do it" : "Dry run"}
          </button>
        </div>
      </Form>
    </dialog>
  );
}

function DryRun({ found }: { found: Reached }) {
  return (
    <div class="dryrun" role="status">
      <strong>Dry run: nothing was changed.</strong> It would concern {whom(found)}
      {found.users.length > 0 && `: ${found.users.slice(0, 10).join(", ")}`}
      {found.users.length > 10 && ` and ${number(found.users.length - 10)} more`}.
      {found.until_at !== null && ` It would keep out until ${when(found.until_at)}.`}
    </div>
  );
}

function Pending(props: { meant: Meant; body: Record<string, unknown>; onOver: () => void }) {
  const { meant, body, onOver } = props;
  const [left, setLeft] = useState(UNDO_SECONDS);
  const [done, setDone] = useState<string>();
  const over = useRef(onOver);
  over.current = onOver;

  useEffect(() => {
    if (left === 0) return void send();
    const timer = setTimeout(() => setLeft(left - 1), 1000);
    return () => clearTimeout(timer);
  }, [left]);
  useEffect(() => {
    if (done === undefined) return;
    const timer = setTimeout(() => over.current(), 6000);
    return () => clearTimeout(timer);
  }, [done]);

  const send = async () => {
    try {
      const reached = await act<Reached>("POST", meant.path, { ...body, dry_run: false });
      const noted = reached.audited
        ? "It is in the audit."
        : "The audit could not be written; it is in the server's log.";
      setDone(`Done: ${whom(reached)}. ${noted}`);
      meant.after?.();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      setDone(`Refused: ${error.message}`);
    }
  };

  return (
    <div class="toast">
      <div>
        <strong>{meant.title}</strong>
        <div aria-live="off">{done ?? (left > 0 ? `in ${left} s` : "…")}</div>
      </div>
      {done === undefined && left > 0 && (
        <button type="button" onClick={onOver}>
          Undo
        </button>
      )}
      {done !== undefined && (
        <button type="button" onClick={onOver}>
          Close
        </button>
      )}
    </div>
  );
}

/** A holding is of a user and of no session. */
function whom({ sessions, users }: Reached): string {
  const people = plural(users.length, "user");
  return sessions === 0 ? people : `${plural(sessions, "session")} of ${people}`;
}
