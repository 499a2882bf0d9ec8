// The demo page: presence over the native protocol, in plain JavaScript and nothing else.
// Everything that a person typed is shown with textContent; no text of the server's becomes markup.

const query = new URLSearchParams(location.search);
const user = query.get("user") || "ada";
const role = query.get("role");
const room = query.get("room") || "lobby";
const here = new URL("./", location.href);
const element = (id) => document.getElementById(id);

const members = new Map(); // those in the room, by user id
const cards = new Map(); // everybody seen here, by user id: what the server says of them
let socket, welcome, position, typingUsers = [];
let nextId = 1, attempt = 0, ended = false, hasJoined = false, offset = 0;
let beatTimer, answerTimer, hadInput = true, typingUntil = 0;

// Saying

function say(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function beat() {
  if (!welcome) return;
  say({ type: "beat", visible: !document.hidden, active: hadInput });
  hadInput = false;
  clearTimeout(answerTimer);
  answerTimer = setTimeout(() => socket.close(), 5000);
  const { beat_visible_seconds, beat_hidden_seconds } = welcome.policy;
  const seconds = document.hidden ? beat_hidden_seconds : beat_visible_seconds;
  clearTimeout(beatTimer);
  beatTimer = setTimeout(beat, seconds * 1000);
}

function connect() {
  const url = new URL("v1/ws", here);
  url.protocol = url.protocol.replace("http", "ws");
  socket = new WebSocket(url, "hereabouts.v1");
  // The secret stands in sessionStorage only between pagehide and the next page: a duplicated tab must not find it.
  const resume = welcome?.resume ?? sessionStorage.getItem("resume") ?? undefined;
  sessionStorage.removeItem("resume");
  socket.onopen = () => {
    const token = role ? `dev:${user}:${role}` : `dev:${user}`;
    const seen = position ? { [room]: position } : {};
    say({ type: "hello", token, resume, seen, visible: !document.hidden, active: true, platform: "web" });
  };
  socket.onmessage = (event) => hear(JSON.parse(event.data));
  socket.onclose = (event) => lost(event.code);
}

function lost(code) {
  clearTimeout(beatTimer);
  clearTimeout(answerTimer);
  if (code >= 4000 && code < 4100) ended = true;
  show(ended ? "signed out" : "reconnecting…");
  if (ended) return;
  const most = Math.min(30, 0.25 * 2 ** attempt++);
  setTimeout(connect, (waitSeconds + Math.random() * most) * 1000);
  waitSeconds = 0;
}
let waitSeconds = 0;

// Hearing

const heard = {
  welcome(message) {
    welcome = message;
    attempt = 0;
    offset = message.server_time_at - Date.now();
    show("connected");
    if (!message.rooms.includes(room)) join();
    else hasJoined = true;
    say({ type: "watch", id: nextId++, users: [...cards.keys(), user] });
    beat();
  },
  snapshot(message) {
    if (!message.degraded) members.clear();
    for (const member of message.members) members.set(member.user_id, member);
    position = [message.epoch, message.seq];
    count(message.count);
    watchNew();
  },
  delta(message) {
    if (message.epoch !== position?.[0] || message.since !== position[1]) {
      say({ type: "sync", id: nextId++, room });
      return;
    }
    position = [message.epoch, message.seq];
    for (const { event, member, user_id } of message.events) {
      if (event === "leave") members.delete(user_id);
      else members.set(member.user_id, member);
    }
    count(message.count);
    watchNew();
  },
  count: (message) => count(message.count),
  typing: (message) => { typingUsers = message.user_ids; },
  users(message) {
    for (const card of message.users) cards.set(card.user_id, card);
  },
  beat(message) {
    offset = message.server_time_at - Date.now();
    clearTimeout(answerTimer);
  },
  policy: (message) => { welcome.policy = message.policy; },
  reconnect: (message) => { waitSeconds = message.after_seconds; },
  degraded: () => show("connected; what is shown may be stale"),
  restored: () => show("connected"),
};

function hear(message) {
  heard[message.type]?.(message);
  if (message.type !== "beat") log(message);
  render();
}

function join() {
  hasJoined = true;
  say({ type: "join", id: nextId++, room, state: { page: document.title } });
}

function watchNew() {
  const unknown = [...members.keys()].filter((id) => !cards.has(id));
  if (unknown.length) say({ type: "watch", id: nextId++, users: unknown });
}

// Showing

function show(text) {
  element("connection").textContent = text;
}

function count(n) {
  element("count").textContent = `(${n})`;
}

function ago(at) {
  if (at == null) return "never seen";
  const seconds = Math.max(0, Math.round((Date.now() + offset - at) / 1000));
  if (seconds < 60) return `last seen ${seconds} s ago`;
  if (seconds < 3600) return `last seen ${Math.round(seconds / 60)} min ago`;
  return `last seen ${new Date(at).toLocaleString()}`;
}

function line(id) {
  const card = cards.get(id) ?? { user_id: id, status: "offline" };
  const member = members.get(id);
  const item = document.createElement("li");
  item.dataset.user = id;
  item.dataset.status = card.status;
  item.dataset.here = String(Boolean(member));
  const name = document.createElement("b");
  name.textContent = member?.name ?? id;
  const words = [card.status === "dnd" ? "do not disturb" : card.status];
  if (card.text) words.push(`“${card.text}”`);
  if (!member) words.push("not in this room");
  if (card.status === "offline") words.push(ago(card.last_seen_at));
  if (member?.sessions > 1) words.push(`${member.sessions} tabs`);
  if (id === user) words.push("you");
  const rest = document.createElement("small");
  rest.textContent = words.join(" · ");
  item.append(name, rest);
  return item;
}

function render() {
  const ids = [...new Set([...members.keys(), ...cards.keys()])].sort();
  element("people").replaceChildren(...ids.map(line));
  const names = typingUsers.map((id) => members.get(id)?.name ?? id);
  element("typing").textContent = names.length ? `${names.join(" and ")} ${names.length > 1 ? "are" : "is"} typing…` : "";
}

function log(message) {
  const item = document.createElement("li");
  item.textContent = JSON.stringify({ ...message, resume: undefined, leave_token: undefined });
  element("log").prepend(item);
  while (element("log").childElementCount > 30) element("log").lastElementChild.remove();
}

// Doing

function input() {
  const was = hadInput;
  hadInput = true;
  // The first input after a while is told at once, so that idle ends when the person comes back.
  if (!was && cards.get(user)?.status === "idle") beat();
}

for (const kind of ["pointerdown", "pointermove", "keydown", "scroll"]) addEventListener(kind, input, { passive: true });
document.addEventListener("visibilitychange", beat);

element("message").addEventListener("input", () => {
  const on = element("message").value !== "";
  const now = Date.now();
  if (on && now < typingUntil) return;
  typingUntil = on ? now + welcome.policy.typing_refresh_seconds * 1000 : 0;
  say({ type: "typing", room, on });
});

function declare() {
  const text = element("text").value || undefined;
  say({ type: "status", id: nextId++, status: element("status").value, text });
}
element("status").addEventListener("change", declare);
element("text").addEventListener("change", declare);

element("leave").addEventListener("click", () => {
  if (hasJoined) say({ type: "leave", id: nextId++, room });
  else join();
  hasJoined = !hasJoined;
  if (!hasJoined) members.clear();
  element("leave").textContent = hasJoined ? "Leave the room" : "Join the room";
});

element("bye").addEventListener("click", () => {
  ended = true;
  say({ type: "bye" });
});

addEventListener("pagehide", () => {
  if (!welcome || ended) return;
  sessionStorage.setItem("resume", welcome.resume);
  const body = JSON.stringify({ leave_token: welcome.leave_token, after_seconds: welcome.policy.grace_seconds });
  navigator.sendBeacon(new URL("v1/leave", here), body);
});

addEventListener("pageshow", (event) => {
  if (event.persisted) {
    sessionStorage.removeItem("resume");
    if (socket.readyState > WebSocket.OPEN) connect();
    else beat();
  }
});

element("me").textContent = user;
element("room").textContent = room;
for (const [id, name] of [["other", user === "ada" ? "bob" : "ada"], ["same", user]]) {
  const link = element(id);
  link.href = `?${new URLSearchParams({ user: name, room })}`;
  link.textContent = name;
}
element("closed").textContent = document.body.dataset.closedSeconds;
element("silent").textContent = document.body.dataset.silentSeconds;
setInterval(render, 1000);
connect();
