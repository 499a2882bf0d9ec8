import { expect, test } from "vitest";

test("every entry may be loaded where there is no page, and touches nothing there", async () => {
  expect(globalThis).not.toHaveProperty("document");
  const before = Object.keys(globalThis);
  const entries = await Promise.all([
    import("../src/index.ts"),
    import("../src/react/index.ts"),
    import("../src/react-native/index.ts"),
    import("../src/elements/index.ts"),
    import("../src/debug/index.ts"),
    import("../src/server/index.ts"),
    import("../src/testing/index.ts"),
  ]);
  expect(entries.every((entry) => Object.keys(entry).length > 0)).toBe(true);
  expect(Object.keys(globalThis)).toEqual(before);
});

test("an application that is behind others is hidden, then let go, and back at once", async () => {
  const { followAppState } = await import("../src/react-native/index.ts");
  const { createClient, createServer } = await import("../src/testing/index.ts");
  const server = createServer();
  const ada = createClient(server, "ada");
  let tell: (state: string) => void = () => undefined;
  const stop = followAppState(ada, {
    currentState: "active",
    addEventListener: (_, listener) => {
      tell = listener;
      return { remove: () => undefined };
    },
  });
  ada.room("doc:1").join();
  await server.advance(1);
  tell("background");
  await server.settle();
  expect(server.said("beat").at(-1)).toMatchObject({ visible: false });
  tell("active");
  await server.settle();
  expect(server.said("beat").at(-1)).toMatchObject({ visible: true });
  ada.suspend();
  await server.advance(5);
  expect(ada.connection.getSnapshot().state).toBe("reconnecting");
  tell("active");
  await server.settle();
  expect(ada.connection.getSnapshot().state).toBe("connected");
  expect(server.membersOf("doc:1")).toEqual(["ada"]);
  stop();
});
