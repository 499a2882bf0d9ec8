/** Run by Node: prints the page as a server renders it. Nothing may be connected for that. */
import { createPresence } from "hereabouts";
import { renderToString } from "react-dom/server";
import { Whole } from "./whole.tsx";

const client = createPresence({ url: "/presence", getToken: () => "dev:nobody" });
process.stdout.write(renderToString(<Whole client={client} room="lobby" />));
