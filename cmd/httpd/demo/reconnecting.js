// A WebSocket that comes back, and the pill that shows how it stands.

export const address = path => location.origin.replace(/^http/, "ws") + path;

// Reconnecting keeps a WebSocket to path. After a loss it waits 0.5 s, then twice
// as long each time up to 15 s, with jitter so that a restarted server does not
// meet all its pages in the same moment. on.state gets "connecting", "open" and
// "waiting", the last with the wait in ms; on.message gets what comes.
export class Reconnecting {
  attempt = 0;
  constructor(path, on) {
    this.path = path;
    this.on = on;
    addEventListener("online", () => this.now());
    document.addEventListener("visibilitychange", () => document.hidden || this.now());
    this.connect();
  }
  connect() {
    clearTimeout(this.timer);
    this.on.state?.("connecting");
    const socket = this.socket = new WebSocket(address(this.path));
    socket.onopen = () => {
      if (socket !== this.socket) return;
      this.attempt = 0;
      this.on.state?.("open");
    };
    socket.onmessage = e => { if (socket === this.socket) this.on.message(e.data); };
    socket.onclose = () => this.lost(socket);
  }
  lost(socket) {
    if (socket !== this.socket) return;
    this.socket = null;
    const wait = Math.min(15000, 500 * 2 ** this.attempt++) * (0.7 + 0.3 * Math.random());
    this.on.state?.("waiting", wait);
    this.timer = setTimeout(() => this.connect(), wait);
  }
  // drop gives the connection up, without waiting for a peer that may be gone.
  drop(reason) {
    const socket = this.socket;
    socket.close(4000, reason);
    this.lost(socket);
  }
  now() { if (!this.socket) this.connect(); }
  get open() { return this.socket?.readyState === WebSocket.OPEN; }
}

// pill returns a function that shows a state in an element, and counts a wait down.
export function pill(element) {
  const text = element.querySelector("[data-text]");
  let countdown;
  const show = s => { if (text.textContent !== s) text.textContent = s; };
  return (state, wait) => {
    clearInterval(countdown);
    element.dataset.state = state;
    if (state !== "waiting") return show(state === "open" ? "connected" : "connecting");
    const until = performance.now() + wait;
    const tick = () => show(`offline, again in ${Math.max(1, Math.ceil((until - performance.now()) / 1000))} s`);
    countdown = setInterval(tick, 250);
    tick();
  };
}
