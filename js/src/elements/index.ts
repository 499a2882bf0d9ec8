/** Defines the seven elements. */

// The provider is defined before the elements that look for one: those in a page's source are made in this order.
import "./provider.ts";

export { PresenceAvatarsElement } from "./avatars.ts";
export { PresenceElement } from "./base.ts";
export { PresenceCountElement } from "./count.ts";
export { PresenceDotElement } from "./dot.ts";
export { PresenceLastSeenElement } from "./last-seen.ts";
export { PresenceOccupancyElement } from "./occupancy.ts";
export { PresenceProviderElement } from "./provider.ts";
export { PresenceTypingElement } from "./typing.ts";
