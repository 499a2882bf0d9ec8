/** Two components in one room under StrictMode, and a change of page that takes the room again. */
import { PresenceProvider, RoomProvider, useOthers, usePresence, useTyping } from "hereabouts/react";
import { Profiler, StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { makeClient, room } from "./settings.ts";

const client = makeClient();
const rendered = { names: 0 };
Object.assign(globalThis, { rendered, here: { client, room: client.room(room) } });

function Names() {
  const names = useOthers((others) => others.map((member) => member.name ?? member.user_id));
  return <p id="names">{names.join(", ")}</p>;
}

function Count() {
  const { count } = usePresence(room);
  return <p id="count">{count}</p>;
}

function Typing() {
  const { typing, inputProps } = useTyping();
  return (
    <label>
      Message <input id="message" {...inputProps} /> <span id="typing">{typing.join(" ")}</span>
    </label>
  );
}

function Page({ name }: { name: string }) {
  return (
    <RoomProvider room={room}>
      <h1>{name}</h1>
      <Profiler id="names" onRender={() => (rendered.names += 1)}>
        <Names />
      </Profiler>
      <Count />
      <Typing />
    </RoomProvider>
  );
}

function App() {
  const [page, setPage] = useState("first");
  return (
    <PresenceProvider client={client}>
      {["first", "second", "none"].map((name) => (
        <button type="button" key={name} id={`to-${name}`} onClick={() => setPage(name)}>
          {name}
        </button>
      ))}
      {page === "none" ? <h1>none</h1> : <Page key={page} name={page} />}
    </PresenceProvider>
  );
}

createRoot(document.querySelector("#root") as HTMLElement).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
