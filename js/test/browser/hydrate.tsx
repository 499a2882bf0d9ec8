/** Takes over what the server has rendered. */
import { hydrateRoot } from "react-dom/client";
import { makeClient, room } from "./settings.ts";
import { Whole } from "./whole.tsx";

const root = document.querySelector("#root") as HTMLElement;
const client = makeClient();
Object.assign(globalThis, { here: { client, room: client.room(room) } });
hydrateRoot(root, <Whole client={client} room={room} />, { onRecoverableError: (error) => console.error(error) });
