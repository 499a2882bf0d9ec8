/**
 * A support inbox: who is online, who reads and answers which conversation, and who holds which account.
 *
 * Run `scripts/build` once, then `hereabouts dev`, and here `npm install` and `npm run dev`. Open the page that Vite prints as
 * two people, `?user=ada` and `?user=bob`, and as one who is told who holds what: `?user=eve&role=admin`.
 */
import { PresenceProvider, useConnectionStatus } from "hereabouts/react";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { Reading } from "./reading.tsx";
import { Sidebar } from "./sidebar.tsx";
import "./style.css";
import { client, customers } from "./who.ts";

function Inbox() {
  const [open, setOpen] = useState(customers[0]);
  const { isInterrupted } = useConnectionStatus();
  return (
    <>
      <p role="status" className="banner">
        {isInterrupted && "No connection. What you see may be old; it comes back by itself."}
      </p>
      <div className="inbox">
        <Sidebar open={open} onOpen={setOpen} />
        {open && <Reading key={open.id} conversation={open} />}
      </div>
    </>
  );
}

createRoot(document.body.appendChild(document.createElement("div"))).render(
  <StrictMode>
    <PresenceProvider client={client}>
      <Inbox />
    </PresenceProvider>
  </StrictMode>,
);
