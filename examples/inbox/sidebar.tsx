/** The sidebar: conversations with who reads them, colleagues to write to, and the accounts. */
import { useMembers, useTyping, useUserStatus } from "hereabouts/react";
import { Account } from "./account.tsx";
import { accounts, type Conversation, colleagues, customers, directWith, me } from "./who.ts";

interface Opening {
  readonly open: Conversation | undefined;
  readonly onOpen: (conversation: Conversation) => void;
}

export function Sidebar({ open, onOpen }: Opening) {
  return (
    <nav aria-label="Inbox">
      <h1>Inbox</h1>
      <Online />
      <h2>Conversations</h2>
      <ul>
        {customers.map((conversation) => (
          <Entry key={conversation.id} conversation={conversation} open={open} onOpen={onOpen} />
        ))}
        {colleagues.map(directWith).map((conversation) => (
          <Entry key={conversation.id} conversation={conversation} open={open} onOpen={onOpen} isQuiet />
        ))}
      </ul>
      <Picker onOpen={onOpen} />
      <h2>Accounts</h2>
      <ul>
        {accounts.map((account) => (
          <Account key={account.resource} {...account} />
        ))}
      </ul>
    </nav>
  );
}

function Online() {
  const online = useUserStatus(colleagues).filter(({ status }) => status !== "offline");
  return (
    <p id="online">
      {me}, with {online.length} of {colleagues.length} colleagues online
    </p>
  );
}

/** One conversation, without being in it. A quiet one is listed while somebody reads it. */
function Entry({ conversation, open, onOpen, isQuiet }: Opening & { conversation: Conversation; isQuiet?: boolean }) {
  const { id, title } = conversation;
  const names = useMembers(id, (members) => members.map((member) => member.name ?? member.user_id));
  const { typing } = useTyping(id);
  const isOpen = open?.id === id;
  if (isQuiet && !isOpen && names.length === 0) return null;
  return (
    <li>
      <button type="button" className="entry" aria-current={isOpen} onClick={() => onOpen(conversation)}>
        <span>{title}</span>
        <small>{typing.length > 0 ? `${typing.join(", ")} typing…` : names.join(", ") || "nobody reads it"}</small>
      </button>
    </li>
  );
}

function Picker({ onOpen }: Pick<Opening, "onOpen">) {
  const cards = useUserStatus(colleagues);
  return (
    <details className="picker">
      <summary>Write to a colleague</summary>
      <ul>
        {cards.map(({ user_id, status, text }) => (
          <li key={user_id}>
            <button type="button" className="entry" data-status={status} onClick={() => onOpen(directWith(user_id))}>
              <span>{user_id}</span>
              <small>{text ?? status}</small>
            </button>
          </li>
        ))}
      </ul>
    </details>
  );
}
