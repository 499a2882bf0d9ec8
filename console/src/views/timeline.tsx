import { duration, when } from "../format.ts";
import { StatusBadge } from "../parts.tsx";
import type { Explained } from "../shapes.ts";

const WILL: Record<string, string> = {
  lost: "is lost, unless it is heard of before",
  removed: "is removed and others are told, unless it is heard of before",
  idle: "falls idle, unless there is human input before",
  forgotten: "is forgotten, unless it comes back before",
};

/** What time will do, the farthest first; then now; then what was, the newest first. */
export function Timeline({ told }: { told: Explained }) {
  const coming = told.sessions
    .flatMap(({ session, timers }) => timers.map((timer) => ({ ...timer, session: session.session_id })))
    .sort((one, other) => other.in_seconds - one.in_seconds);
  const many = told.sessions.length > 1;
  return (
    <ol class="timeline">
      {coming.map((timer) => (
        <li key={`${timer.session} ${timer.does}`} class="will">
          <span class="moment">in {duration(Math.max(0, timer.in_seconds))}</span>
          <div>
            {many ? <code>…{timer.session.slice(-6)}</code> : "The session"} {WILL[timer.does] ?? timer.does}
            <span class="muted">
              {" "}
              · <code>{timer.clock}</code> is {duration(timer.clock_seconds)}, set by {layer(timer.layer)}
            </span>
          </div>
        </li>
      ))}
      <li class="now">
        <span class="moment">now</span>
        <div>
          <StatusBadge status={told.status.status} />: {told.status.rule}
        </div>
      </li>
      {told.transitions.map((past) => (
        <li key={`${past.at} ${past.after}`} class="was">
          <span class="moment">{when(past.at)}</span>
          <div>
            from {past.before} to <strong>{past.after}</strong>
            {past.cause && <span class="muted"> · cause: {past.cause.replaceAll("_", " ")}</span>}
          </div>
        </li>
      ))}
      {told.transitions.length === 0 && (
        <li class="was">
          <span class="moment">before</span>
          <div class="muted">The journal knows of no change.</div>
        </li>
      )}
    </ol>
  );
}

const layer = (name: string) => (name === "shipped" ? "the shipped defaults" : `the layer “${name}”`);
