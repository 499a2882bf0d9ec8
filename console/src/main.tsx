import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ActingProvider } from "./acting.tsx";
import { Refused, type SignedIn, signIn, signOut, whenSignedOut, whoAmI } from "./api.ts";
import { Field, Form, Problem } from "./parts.tsx";
import { to, usePlace } from "./route.ts";
import { after, setTheme, show, theme } from "./theme.ts";
import { AnalyticsView } from "./views/analytics.tsx";
import { AuditView } from "./views/audit.tsx";
import { HoldingsView } from "./views/holdings.tsx";
import { OverviewView } from "./views/overview.tsx";
import { PolicyView } from "./views/policy.tsx";
import { RoomsView } from "./views/rooms.tsx";
import { UserView } from "./views/user.tsx";
import { UsersView } from "./views/users.tsx";
import "./style.css";

const VIEWS = [
  { name: "overview", title: "Overview" },
  { name: "users", title: "Users" },
  { name: "rooms", title: "Rooms" },
  { name: "holdings", title: "Holdings" },
  { name: "analytics", title: "Analytics" },
  { name: "audit", title: "Audit" },
  { name: "policy", title: "Policy" },
] as const;

function View() {
  const { path, query } = usePlace();
  const [name = "overview", of] = path;
  switch (name) {
    case "users":
      return of === undefined ? <UsersView query={query} /> : <UserView key={of} userId={of} />;
    case "rooms":
      return <RoomsView query={query} />;
    case "holdings":
      return <HoldingsView query={query} />;
    case "analytics":
      return <AnalyticsView query={query} />;
    case "audit":
      return <AuditView query={query} />;
    case "policy":
      return <PolicyView />;
    default:
      return <OverviewView />;
  }
}

function Frame(props: { me: SignedIn; onOut: () => void }) {
  const { path } = usePlace();
  const now = path[0] ?? "overview";
  useEffect(() => {
    // On a phone the views stand in one line that is longer than the screen. `scrollIntoView` would move the
    // place that the next Tab starts from.
    const link = document.querySelector<HTMLElement>(`nav [href="${to([now])}"]`);
    if (link?.parentElement) link.parentElement.scrollLeft = link.offsetLeft - link.parentElement.clientWidth / 2;
  }, [now]);
  return (
    <ActingProvider me={props.me}>
      {/* A button: the address is the router's. */}
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to the content
      </button>
      <div class="frame">
        <div class="side">
          <p class="brand">
            <span class="dot" aria-hidden="true" /> Hereabouts
          </p>
          <nav aria-label="Views">
            {VIEWS.map((view) => (
              <a key={view.name} href={to([view.name])} aria-current={view.name === now ? "page" : undefined}>
                {view.title}
              </a>
            ))}
          </nav>
          <div class="me">
            <p>
              <strong>{props.me.name}</strong>
              <span class="muted">
                {props.me.may_act ? "operator" : "read only"} · {props.me.tenant} · {props.me.version}
              </span>
            </p>
            <div class="row">
              <ThemeButton />
              <button type="button" onClick={props.onOut}>
                Sign out
              </button>
            </div>
          </div>
        </div>
        <main id="main" tabIndex={-1}>
          <View />
        </main>
      </div>
    </ActingProvider>
  );
}

function ThemeButton() {
  const [now, setNow] = useState(theme);
  return (
    <button
      type="button"
      onClick={() => {
        setTheme(after(now));
        setNow(after(now));
      }}
    >
      Theme: {now}
    </button>
  );
}

function Login(props: { onIn: (me: SignedIn) => void; note: string | undefined }) {
  const [key, setKey] = useState("");
  const [tenant, setTenant] = useState("");
  const [needsTenant, setNeedsTenant] = useState(false);
  const [problem, setProblem] = useState<Refused>();
  useEffect(() => {
    document.title = "Sign in · Hereabouts";
  }, []);
  const enter = async () => {
    try {
      setProblem(undefined);
      props.onIn(await signIn(key.trim(), tenant.trim()));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      setProblem(error);
      setNeedsTenant(needsTenant || error.code === "bad_request");
    }
  };
  return (
    <main class="login">
      <p class="brand">
        <span class="dot" aria-hidden="true" /> Hereabouts
      </p>
      <h1>Sign in</h1>
      <p class="muted">{props.note ?? "With an API key that has the scope admin, or admin:read to look only."}</p>
      <Form label="Sign in" class="stack" onSubmit={enter}>
        <Field label="API key" type="password" value={key} onValue={setKey} required />
        {needsTenant && <Field label="Tenant" value={tenant} onValue={setTenant} />}
        <Problem of={problem} />
        <button type="submit" class="solid">
          Sign in
        </button>
      </Form>
    </main>
  );
}

function App() {
  const [me, setMe] = useState<SignedIn | null>();
  const [note, setNote] = useState<string>();
  useEffect(() => {
    whenSignedOut(() => {
      setNote("The session is over. Please sign in again.");
      setMe(null);
    });
    whoAmI().then(setMe, () => setMe(null));
  }, []);
  if (me === undefined) return null;
  if (me === null) return <Login onIn={setMe} note={note} />;
  const out = () =>
    signOut().finally(() => {
      setNote("You are signed out.");
      setMe(null);
    });
  return <Frame me={me} onOut={out} />;
}

show();
const root = document.getElementById("app");
if (root) render(<App />, root);
