// What was said in one room, as a list on the page. All that others wrote gets there
// as text, never as markup.

const KEEP = 500;              // entries in a list
const TOGETHER = 5 * 60_000;   // ms within which one person's messages stand together
const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat([], { dateStyle: "full" });

export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

// face is somebody's first letter on a colour that is always the same.
export function face(id, name, element = make("span", "face")) {
  element.dataset.hue = parseInt(id.slice(0, 6), 16) % 12 || 0;
  element.textContent = [...name][0]?.toUpperCase() ?? "";
  element.setAttribute("aria-hidden", "true");
  return element;
}

export class Room {
  position = "";        // right behind the last message that is here
  seen = new Set();     // messages that are here, by author and tag
  pending = new Map();  // own messages that are on their way, by tag
  catchingUp = 0;       // messages that follow a join
  settled = false;      // joined, and caught up
  people = null;        // Map of name by ID, once known
  count = 0;            // people, also those that are not listed
  newer = 0;            // messages below what is in view

  constructor(name) {
    this.name = name;
    this.list = make("ol", "log");
    this.list.setAttribute("role", "log");
    this.list.setAttribute("aria-label", `Messages in ${name}`);
    this.list.tabIndex = 0;
    this.list.append(document.getElementById("nothing").content.cloneNode(true));
  }

  get atBottom() { return this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 60; }
  scrollDown() { this.list.scrollTop = this.list.scrollHeight; this.newer = 0; }

  // said shows a message that the server has: once, in the server's order, before
  // those that are on their way. It returns false for one that is here already.
  said(m, mine) {
    if (m.position) this.position = m.position;
    const key = `${m.by} ${m.tag}`;
    if (this.seen.has(key)) return false;
    this.seen.add(key);
    const own = mine && this.pending.get(m.tag);
    const item = own ? own.item : this.message(m, mine);
    this.pending.delete(m.tag);
    this.forget(item);
    item.classList.remove("waiting", "failed");
    item.dataset.key = key;
    item.dataset.time = m.time;
    item.querySelector("time").textContent = clock.format(m.time);
    item.querySelector("time").dateTime = new Date(m.time).toISOString();
    this.place(item, this.list.querySelector(":scope > .waiting, :scope > .failed"));
    return true;
  }

  // write shows an own message before the server has it.
  write(tag, text, me) {
    const item = this.message({ by: me.id, name: me.name, text }, true);
    item.classList.add("waiting");
    item.dataset.time = Date.now();
    item.querySelector("time").textContent = "on its way";
    this.pending.set(tag, { text, item });
    this.place(item, null);
    this.scrollDown();
  }

  // failed offers to try again, or not to.
  failed(tag, why, again) {
    const own = this.pending.get(tag);
    if (!own) return;
    own.item.classList.replace("waiting", "failed");
    own.item.querySelector("time").textContent = "not sent";
    const note = make("p", "why", why + " ");
    const retry = make("button", "plain", "Send again"), discard = make("button", "plain", "Discard");
    retry.onclick = () => {
      this.forget(own.item);
      own.item.classList.replace("failed", "waiting");
      own.item.querySelector("time").textContent = "on its way";
      again();
    };
    discard.onclick = () => { this.pending.delete(tag); own.item.remove(); };
    note.append(retry, " ", discard);
    own.item.append(note);
    if (this.atBottom) this.scrollDown();
  }
  forget(item) { item.querySelector(".why")?.remove(); }

  message(m, mine) {
    const item = make("li", mine ? "said mine" : "said");
    item.dataset.by = `${m.by} ${m.name}`;
    const head = make("p", "head");
    head.append(make("bdi", mine ? "hidden" : "", m.name), " ", make("time"));
    const text = make("p", "text", m.text);
    text.dir = "auto";
    item.append(face(m.by, m.name), head, text);
    return item;
  }

  notice(text, className = "notice") {
    const last = this.list.lastElementChild;
    if (className === "notice" && last?.className === "notice" && last.textContent.length < 80) {
      last.textContent += ` · ${text}`;
      this.follow();
      return;
    }
    this.place(make("li", className, text), this.list.querySelector(":scope > .waiting, :scope > .failed"));
  }

  // place puts an item before another, or last, and keeps the end in view when it was.
  place(item, before) {
    const follow = this.atBottom;
    if (item.classList.contains("said")) this.list.querySelector(".nothing")?.remove();
    item.remove();
    this.list.insertBefore(item, before);
    this.join(item);
    if (item.nextElementSibling) this.join(item.nextElementSibling);
    while (this.list.children.length > KEEP) {
      this.seen.delete(this.list.firstElementChild.dataset.key);
      this.list.firstElementChild.remove();
    }
    if (follow) this.scrollDown();
    else if (item.matches(".said:not(.mine)")) this.newer++;
  }
  follow() { if (this.atBottom) this.scrollDown(); }

  // join has messages of one person stand together, and days apart.
  join(item) {
    if (!item.dataset.time) return;
    let last = item.previousElementSibling;
    while (last && !last.dataset.time) last = last.previousElementSibling;
    const day = e => calendar.format(+e.dataset.time);
    if (last && day(last) !== day(item) && item.previousElementSibling.className !== "day") item.before(make("li", "day", day(item)));
    const together = last && last === item.previousElementSibling && last.dataset.by === item.dataset.by &&
      item.dataset.time - last.dataset.time < TOGETHER;
    item.classList.toggle("more", !!together);
  }
}
