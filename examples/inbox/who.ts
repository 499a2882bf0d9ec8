/** Who this page is, and what there is to talk about. Your application has these already: accounts, customers, messages. */
import { createPresence } from "hereabouts";

const query = new URLSearchParams(location.search);
export const me = query.get("user") ?? "ada";
export const isAdmin = query.get("role") === "admin";

/** `hereabouts dev` takes such tokens; your own server signs real ones. */
export const client = createPresence({
  url: query.get("server") ?? "http://127.0.0.1:8765",
  getToken: () => (isAdmin ? `dev:${me}:admin` : `dev:${me}`),
});

export const colleagues = ["ada", "bob", "cat", "dan"].filter((name) => name !== me);

/** A conversation is a room: who reads it is in it. */
export interface Conversation {
  readonly id: string;
  readonly title: string;
}

export const customers: readonly Conversation[] = [
  { id: "ticket:1", title: "Mrs Jensen: billed twice" },
  { id: "ticket:2", title: "Mr Okoye: cannot sign in" },
  { id: "ticket:3", title: "Café Lund: opening hours" },
];

export const directWith = (colleague: string): Conversation => ({
  id: `direct:${[me, colleague].sort().join("-")}`,
  title: colleague,
});

export const accounts = [
  { resource: "account:support", title: "Support line" },
  { resource: "account:sales", title: "Sales line" },
];
