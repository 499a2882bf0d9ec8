/** The conversation that is read: who else reads it, who types, and what was said. */
import type { Member } from "hereabouts";
import { usePresence, useTyping } from "hereabouts/react";
import { type FormEvent, useState } from "react";
import type { Conversation } from "./who.ts";

/** Each reader's newest line is a part of the state here. Your application stores its messages, and sends them its own way. */
interface Line {
  readonly text: string;
  readonly at: number;
}

const nameOf = (member: Member) => member.name ?? member.user_id;
const lineOf = (member: Member) => member.state.line as Line | undefined;

export function Reading({ conversation: { id, title } }: { conversation: Conversation }) {
  const { members, others, isKnown, stale, error, update } = usePresence(id);
  const { typing, inputProps, stop } = useTyping(id);
  const [text, setText] = useState("");
  const said = members
    .map((member) => ({ who: nameOf(member), line: lineOf(member) }))
    .sort((one, other) => (one.line?.at ?? 0) - (other.line?.at ?? 0));

  function say(event: FormEvent) {
    event.preventDefault();
    if (!text) return;
    update({ line: { text, at: Date.now() } });
    setText("");
    stop();
  }

  return (
    <main data-stale={stale}>
      <h2>{title}</h2>
      <p id="readers">
        {isKnown && (others.length ? `${others.map(nameOf).join(", ")} here too` : "You alone read this.")}
      </p>
      {error && <p role="alert">{error.message}</p>}
      <ul className="said" aria-label="Said">
        {said.map(
          ({ who, line }) =>
            line && (
              <li key={who}>
                <b>{who}</b> {line.text}
              </li>
            ),
        )}
      </ul>
      <p id="typing" role="status">
        {typing.length > 0 && `${typing.join(", ")} typing…`}
      </p>
      <form onSubmit={say}>
        <input
          aria-label="Message"
          placeholder="Write a message"
          autoComplete="off"
          value={text}
          onChange={(event) => setText(event.target.value)}
          {...inputProps}
        />
        <button type="submit">Send</button>
      </form>
    </main>
  );
}
