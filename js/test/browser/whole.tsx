/** What a server renders and a browser takes over: who is here, and whether bob is online. */
import type { Presence } from "hereabouts";
import { PresenceProvider, usePresence, useUserStatus } from "hereabouts/react";

function WhoIsHere({ room }: { room: string }) {
  const { members } = usePresence(room);
  const { status } = useUserStatus("bob");
  return (
    <>
      <p id="names">{members.map((member) => member.name ?? member.user_id).join(", ") || "nobody yet"}</p>
      <p id="bob">{status}</p>
    </>
  );
}

export const Whole = ({ client, room }: { client: Presence; room: string }) => (
  <PresenceProvider client={client}>
    <h1>Rendered on a server</h1>
    <WhoIsHere room={room} />
  </PresenceProvider>
);
