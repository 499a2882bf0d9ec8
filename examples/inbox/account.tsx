/** An account that one person holds at a time. Who holds it the server tells admins; others are told that it is held. */
import { useOccupancy } from "hereabouts/react";
import { useState } from "react";
import { isAdmin } from "./who.ts";

export function Account({ resource, title }: { resource: string; title: string }) {
  const { held, isKnown, occupy, release } = useOccupancy("account");
  const [refusal, setRefusal] = useState("");
  const holding = held.find((one) => one.resource === resource);
  const isOthers = holding !== undefined && !holding.self;
  const act = () =>
    (holding?.self ? release(resource, holding.fencing) : occupy(resource, { takeOver: isOthers })).then(
      () => setRefusal(""),
      (error: Error) => setRefusal(error.message),
    );
  const who = !holding
    ? "free"
    : holding.self
      ? "held by you"
      : `held by ${holding.name ?? holding.user_id ?? "somebody"}`;
  return (
    <li className="account">
      <span>{title}</span>
      <small className="badge" data-held={holding ? (holding.self ? "mine" : "others") : "no"}>
        {isKnown ? who : "…"}
      </small>
      <button
        type="button"
        aria-label={`${holding?.self ? "Release" : "Take"} ${title}`}
        disabled={isOthers && !isAdmin}
        onClick={act}
      >
        {holding?.self ? "Release" : isOthers && isAdmin ? "Take over" : "Take"}
      </button>
      {refusal && <small role="alert">{refusal}</small>}
    </li>
  );
}
