export { usePresenceClient } from "./context.ts";
export { type PresenceManagerOptions, type PresenceManagerResult, usePresenceManager } from "./manager.ts";
export { PresenceProvider, RoomProvider, type RoomProviderProps } from "./provider.ts";
export { shallow } from "./reading.ts";
export {
  type PresenceInRoom,
  type TypingInputProps,
  useCount,
  useMembers,
  useOthers,
  usePresence,
  usePresenceEvent,
  useRoom,
  useSelf,
  useTyping,
} from "./rooms.ts";
export {
  type ChildrenPresenceOptions,
  useChildrenPresence,
  useConnectionStatus,
  useMyStatus,
  useOccupancy,
  useUserStatus,
} from "./users.ts";
