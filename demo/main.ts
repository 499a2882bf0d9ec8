/** The demo page of `hereabouts dev`: everything that the package does, on one page. */
import "hereabouts/elements";
import "./style.css";
import type { Declared } from "hereabouts";
import { showAccounts } from "./accounts.ts";
import { showFamily } from "./family.ts";
import { crash, cut, freeze } from "./mishaps.ts";
import { at } from "./page.ts";
import { showRoom } from "./room.ts";
import { client, room, user } from "./who.ts";

const FROZEN_SECONDS = 10;

function showConnection(): void {
  const { state, isInterrupted, isDegraded, error } = client.connection.getSnapshot();
  const banner = at("banner");
  const words =
    state === "closed"
      ? `Signed out${error ? `: ${error.message}` : ""}. Reload the page to come back.`
      : isInterrupted
        ? "No connection. What you see may be old; it comes back by itself."
        : isDegraded
          ? "The server says that its own view may be stale for a moment."
          : "";
  banner.hidden = words === "";
  banner.textContent = words;
  document.body.dataset.connection = state;
}

function declare(): void {
  const status = at<HTMLSelectElement>("status").value as Declared;
  const text = at<HTMLInputElement>("text").value;
  // Without a connection it waits and is said when there is one; what ends it is shown by the banner.
  client.setStatus(status, text ? { text } : {}).catch(() => undefined);
}

function showMe(): void {
  at("my-name").textContent = user;
  at("my-dot").setAttribute("user", user);
  Object.assign(at("my-dot"), { client });
  at("me").addEventListener("change", declare);
  at("me").addEventListener("submit", (event) => event.preventDefault());
}

function showMishaps(): void {
  at("closed").textContent = document.body.dataset.closedSeconds ?? "";
  at("silent").textContent = document.body.dataset.silentSeconds ?? "";
  at("cut").addEventListener("click", () => {
    const isCut = at("cut").getAttribute("aria-pressed") !== "true";
    cut(isCut);
    at("cut").setAttribute("aria-pressed", String(isCut));
    at("cut").textContent = isCut ? "Go online" : "Go offline";
  });
  at("freeze").addEventListener("click", () => freeze(FROZEN_SECONDS));
  at("crash").addEventListener("click", () => {
    crash();
    document.body.inert = true;
    document.body.dataset.crashed = "";
  });
  at("sign-out").addEventListener("click", () => client.close());
}

at("here").setAttribute("room", room);
Object.assign(at("here"), { client });
client.connection.subscribe(showConnection);
showMe();
showRoom();
showAccounts();
showFamily();
showMishaps();
