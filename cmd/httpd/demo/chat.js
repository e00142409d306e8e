// The page's side of the chat: one WebSocket to /chat/ws, over which it is in one
// room at a time (chat_messages.go has the messages), and one to the server's figures.

import { face, make, Room } from "./chat-room.js";
import { pill, Reconnecting } from "./reconnecting.js";

const $ = id => document.getElementById(id);
const show = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };
const sentence = s => s[0].toUpperCase() + s.slice(1) + ".";
const tidy = s => s.trim().split(/\s+/).join(" ");
const random = n => Array.from(crypto.getRandomValues(new Uint8Array(n)), b => b.toString(16).padStart(2, "0")).join("");
const pick = list => list[crypto.getRandomValues(new Uint32Array(1))[0] % list.length];

const FIRST = "Lobby";
const ROOMS = 12;      // whose messages the page keeps
const SILENT = 5000;   // ms without an answer after which a connection is given up
const GRACE = 4000;    // ms within which somebody who left may come back unnoticed

// What the browser remembers; a browser that does not want to forgets.
const stored = {
  get(key) { try { return localStorage.getItem("chat." + key); } catch { return null; } },
  set(key, value) { try { localStorage.setItem("chat." + key, value); } catch { /* as said */ } },
};

// The key is what nobody else has: the server makes the ID of it.
const me = { id: "", key: stored.get("key") || random(16), name: stored.get("name") || newName() };
stored.set("key", me.key);
stored.set("name", me.name);

function newName() {
  return pick(["Quiet", "Bronze", "Early", "Merry", "Silver", "Distant", "Bright", "Gentle"]) + " " +
    pick(["Finch", "Heron", "Lark", "Magpie", "Owl", "Plover", "Robin", "Swift", "Wren"]);
}

let room;               // where the page is
let unanswered;         // timer of a ping
let listed = [];        // the server's list of rooms
let unread = 0;         // messages that came while nobody looked

// The connection.
const connection = pill($("state"));
const chat = new Reconnecting("/chat/ws", {
  state(state, wait) {
    connection(state, wait);
    clearTimeout(unanswered);
    if (state === "waiting" && room) room.settled = false;
    if (state !== "open") return;
    send({ do: "hello", key: me.key, name: me.name });
    if (room) join();
  },
  message(data) {
    clearTimeout(unanswered);
    const m = JSON.parse(data);
    on[m.is]?.(m);
  },
});
const send = m => { if (chat.open) chat.socket.send(JSON.stringify(m)); };

// A connection that was lost without a word, in a sleep or with a network, shows by
// a ping that nothing answers.
function probe() {
  if (!chat.open) return;
  send({ do: "ping" });
  clearTimeout(unanswered);
  unanswered = setTimeout(() => { if (chat.open) chat.drop("no answer"); }, SILENT);
}
setInterval(probe, 20_000);
addEventListener("online", probe);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  probe();
  unread = 0;
  title();
});

const on = {
  you(m) {
    me.id = m.id;
    takeName(m.name);
    $("text").maxLength = m.maxText;
    $("name").maxLength = $("room-name").maxLength = m.maxName;
    show("name-note", "");
    drawPeople();
  },

  joined(m) {
    if (m.room !== room.name) return;
    if (!m.complete && room.position) room.notice("Some messages that were said meanwhile are gone", "gap");
    room.list.setAttribute("aria-busy", "true");
    room.catchingUp = m.missed;
    if (!m.missed) { room.position = m.position; settle(); }
    room.people = null; // who came and went meanwhile is no news
    on.here({ room: m.room, people: m.people });
  },

  said(m) {
    if (m.room !== room.name) return;
    const isNew = room.said(m, m.by === me.id);
    if (room.catchingUp && !--room.catchingUp) settle();
    else if (isNew && room.settled && m.by !== me.id) heard();
    showNewer();
  },

  here({ room: name, people }) {
    if (name !== room.name) return;
    const now = new Map(people.list.map(p => [p.id, p.name]));
    if (room.people) news(room.people, now);
    room.people = now;
    room.count = people.count;
    drawPeople();
  },

  rooms(m) { listed = m.rooms; drawRooms(); },

  refused(m) {
    const why = sentence(m.why);
    switch (m.do) {
      case "hello": // a name that was stored, and is not allowed (any more)
        me.name = newName();
        send({ do: "hello", key: me.key, name: me.name });
        return join();
      case "name":
        $("name").value = me.name;
        return show("name-note", why);
      case "say":
        return room.failed(m.tag, why, () => say(m.tag));
      case "join":
        if (m.retry) return setTimeout(() => room.settled || join(), 1500);
        rooms.delete(room.name);
        remember(recent.filter(r => r !== room.name));
        history.replaceState(null, "", "#");
        enter(FIRST);
        return complain(why);
    }
  },
};

// Rooms.
const rooms = new Map();
let recent = (stored.get("rooms") ?? "").split("\n").filter(Boolean);

function remember(names) {
  recent = names.slice(0, ROOMS);
  stored.set("rooms", recent.join("\n"));
}

function enter(name) {
  const known = [...listed.map(r => r.room), ...rooms.keys()].find(r => r.toLowerCase() === name.toLowerCase());
  name = known ?? name;
  if (name === room?.name) return;
  if (room) { room.settled = false; room.people = null; room.list.remove(); }
  room = rooms.get(name) ?? new Room(name);
  rooms.delete(name);
  rooms.set(name, room); // the last is the latest
  if (rooms.size > ROOMS) rooms.delete(rooms.keys().next().value);
  remember([name, ...recent.filter(r => r !== name)]);
  $("logs").append(room.list);
  room.list.onscroll = () => { if (room.atBottom) room.newer = 0; showNewer(); };
  room.scrollDown();
  show("room", name);
  complain("");
  title();
  drawRooms();
  drawPeople();
  showNewer();
  join();
}

function join() {
  room.settled = false;
  send({ do: "join", room: room.name, since: room.position });
}

// settle ends a catch-up. What is still on its way then did not arrive before.
function settle() {
  room.catchingUp = 0;
  room.settled = true;
  room.list.removeAttribute("aria-busy");
  for (const [tag, own] of room.pending) if (own.item.classList.contains("waiting")) say(tag);
}

function fromAddress() {
  let name = FIRST;
  try { name = tidy(decodeURIComponent(location.hash.slice(1))) || FIRST; } catch { /* no good address */ }
  enter(name);
  drawer();
}
addEventListener("hashchange", fromAddress);

$("new-room").addEventListener("submit", e => {
  e.preventDefault();
  const name = tidy($("room-name").value);
  if (!name) return $("room-name").focus();
  $("room-name").value = "";
  location.hash = encodeURIComponent(name);
  focusText();
});

function drawRooms() {
  if (!room) return;
  const sizes = new Map(listed.map(r => [r.room, r.count]));
  const names = [...new Set([...sizes.keys(), ...recent])];
  $("room-list").replaceChildren(...names.map(name => {
    const item = make("li"), link = make("a"), n = sizes.get(name) ?? 0;
    link.href = "#" + encodeURIComponent(name);
    if (name === room.name) link.setAttribute("aria-current", "page");
    link.append(make("bdi", "", name));
    if (n) {
      const count = make("span", "count", n);
      count.title = n === 1 ? "1 person" : `${n} people`;
      link.append(" ", count);
    }
    item.append(link);
    return item;
  }));
}

// People.
const leaving = new Map(); // timers by ID

function news(before, now) {
  const here = room;
  for (const [id, name] of now) {
    if (!before.has(id)) {
      if (leaving.has(id)) { clearTimeout(leaving.get(id)); leaving.delete(id); }
      else if (id !== me.id) here.notice(`${name} came in`);
    } else if (before.get(id) !== name) {
      here.notice(id === me.id ? `You are ${name} now` : `${before.get(id)} is ${name} now`);
    }
  }
  for (const [id, name] of before) {
    if (now.has(id) || id === me.id) continue;
    leaving.set(id, setTimeout(() => { leaving.delete(id); here.notice(`${name} left`); }, GRACE));
  }
}

function drawPeople() {
  const people = [...room?.people ?? []].sort((a, b) => (b[0] === me.id) - (a[0] === me.id) || a[1].localeCompare(b[1]));
  $("people-list").replaceChildren(...people.map(([id, name]) => {
    const item = make("li");
    item.append(face(id, name), make("bdi", "", name));
    if (id === me.id) { item.className = "mine"; item.append(make("small", "", "you")); }
    return item;
  }));
  show("headcount", room?.people ? String(room.count) : "–");
  const others = (room?.count ?? 0) - people.length;
  $("others").hidden = others <= 0 || !people.length;
  show("others", `and ${others} more`);
}

// The own name.
function takeName(name) {
  me.name = name;
  stored.set("name", name);
  if (document.activeElement !== $("name")) $("name").value = name;
  face(me.id, name, $("my-face"));
  $("text").placeholder = `Message as ${name}`;
}

function rename() {
  const name = tidy($("name").value);
  if (!name) $("name").value = me.name;
  if (!name || name === me.name) return;
  if (chat.open) send({ do: "name", name });
  else takeName(name); // hello will say it
}
$("name").addEventListener("change", rename);
$("me").addEventListener("submit", e => { e.preventDefault(); $("name").blur(); drawer(); focusText(); });
addEventListener("storage", e => { // another tab
  if (e.key === "chat.name" && e.newValue && e.newValue !== me.name) { $("name").value = e.newValue; rename(); }
});

// Messages.
const text = $("text");

function say(tag) {
  const own = room.pending.get(tag);
  if (own && room.settled) send({ do: "say", text: own.text, tag });
}

$("composer").addEventListener("submit", e => {
  e.preventDefault();
  text.focus();
  const words = text.value.trim();
  if (!words || !room) return;
  const tag = random(8);
  text.value = "";
  complain("");
  room.write(tag, words, me);
  say(tag);
  showNewer();
});

// Enter sends, Shift and Enter begins a line. An Enter that only accepts what an
// input method proposes does neither; Safari tells by the code alone.
text.addEventListener("keydown", e => {
  if (e.key !== "Enter" || e.shiftKey || e.isComposing || e.keyCode === 229) return;
  e.preventDefault();
  $("composer").requestSubmit();
});

const complain = why => show("trouble", why);
function focusText() { if (matchMedia("(pointer: fine)").matches) text.focus(); }

const still = matchMedia("(prefers-reduced-motion: reduce)");
// heard has a message of somebody else noticed: the bell swings, the tab counts.
function heard() {
  if (document.hidden) { unread++; title(); }
  if (still.matches) return;
  $("bell").animate([0, 16, -12, 8, -4, 2, 0].map(a => ({ transform: `rotate(${a}deg)`, easing: "ease-in-out" })), 900);
}
function title() { document.title = `${unread ? `(${unread}) ` : ""}${room.name} · Carillon chat`; }

function showNewer() {
  $("newer").hidden = !room.newer;
  show("newer", room.newer === 1 ? "1 new message" : `${room.newer} new messages`);
}
$("newer").addEventListener("click", () => { room.scrollDown(); showNewer(); text.focus(); });

// Drawers, where the page is narrow: an open one takes the keyboard.
let opened = "";

function drawer(which = "") {
  if (which === opened) return;
  const before = opened;
  opened = which;
  for (const id of ["rooms", "people"]) {
    $(id).classList.toggle("open", id === which);
    $("show-" + id).setAttribute("aria-expanded", id === which);
  }
  $("talk").inert = which !== "";
  if (which) $(which).querySelector("[aria-current], a").focus({ preventScroll: true });
  else $("show-" + before).focus();
}
for (const id of ["rooms", "people"]) $("show-" + id).addEventListener("click", () => drawer(id));
$("shade").addEventListener("click", () => drawer());
$("room-list").addEventListener("click", e => { if (e.target.closest("a")) drawer(); });
addEventListener("keydown", e => { if (e.key === "Escape") drawer(); });
matchMedia("(max-width: 980px)").addEventListener("change", () => drawer());

// The server's own figures.
new Reconnecting("/status", {
  message(data) {
    const { delivered, slow } = JSON.parse(data);
    const late = slow ? `${slow.toLocaleString("en")} readers were too slow` : "no reader was too slow";
    show("figures", `${delivered.toLocaleString("en")} messages delivered, ${late}.`);
  },
});

takeName(me.name);
fromAddress();
focusText();
