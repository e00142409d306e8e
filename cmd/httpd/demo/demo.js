// The page's side of the demo: one WebSocket to the echo (/ws), one that only
// listens to the server's figures (/status), and up to 200 that just stay open.

import { address, pill, Reconnecting } from "./reconnecting.js";

const $ = id => document.getElementById(id);
const KEEP = 60;           // round trips in the chart
const EVERY = 500;         // ms between two pings
const SILENT = 4000;       // ms without an echo after which a connection is given up
const CROWD = 200;         // browsers allow about 255 WebSockets a page

const show = (id, text) => { if ($(id).textContent !== String(text)) $(id).textContent = text; };

// The echo. It is ordered, so what comes back answers the oldest in flight.
const trips = [];
let inFlight = [], echoes = 0, fastest = Infinity;

const connection = pill($("state"));
const echo = new Reconnecting("/ws", {
  state(state, wait) {
    connection(state, wait);
    $("send").disabled = $("more").disabled = state !== "open";
    if (state === "waiting") {
      for (const { item } of inFlight) if (item) lost(item);
      inFlight = [];
    }
    if (state === "open") ping();
  },
  message(data) {
    const took = performance.now() - inFlight[0]?.sent;
    const sent = inFlight.shift();
    if (!sent || sent.text !== data) return echo.drop("not an echo");
    record(took);
    if (sent.item) returned(sent.item, took); else ring(echoes % 5);
  },
});

function send(text, item) {
  inFlight.push({ text, item, sent: performance.now() });
  echo.socket.send(text);
}

function ping() {
  if (!echo.open) return;
  if (inFlight.length && performance.now() - inFlight[0].sent > SILENT) return echo.drop("no echo");
  // Browsers slow the timers of a hidden page: its times would say nothing.
  if (!document.hidden && inFlight.length < 4) send("ping " + echoes);
}
setInterval(ping, EVERY);

// Figures and chart.
const bars = Array.from({ length: KEEP }, () =>
  $("bars").appendChild(document.createElementNS("http://www.w3.org/2000/svg", "rect")));
const ms = t => t < 9.995 ? t.toFixed(2) : t < 99.95 ? t.toFixed(1) : t.toFixed(0);

function record(took) {
  echoes++;
  fastest = Math.min(fastest, took);
  trips.push(took);
  if (trips.length > KEEP) trips.shift();
  const sorted = [...trips].sort((a, b) => a - b);
  const median = (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
  show("echoes", echoes.toLocaleString("en"));
  show("last", ms(took));
  show("median", ms(median));
  show("min", ms(fastest));
  draw(median);
  document.documentElement.dataset.echoes = echoes;
}

// A stray echo must not flatten all the others: the scale follows the median,
// and what is higher is cut at the top.
function draw(median) {
  const top = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find(t => t >= median * 1.8) ?? median * 1.8;
  const width = 600 / KEEP;
  bars.forEach((bar, i) => {
    const took = trips[i - KEEP + trips.length] ?? 0;
    const height = Math.min(1, took / top) * 120;
    bar.setAttribute("x", i * width + 1);
    bar.setAttribute("y", 120 - height);
    bar.setAttribute("width", width - 2);
    bar.setAttribute("height", height);
  });
  const y = 120 - Math.min(1, median / top) * 120;
  $("midline").setAttribute("d", `M0 ${y}H600`);
  show("scale", `${top} ms`);
}

// Bells. A swing dies away like a pendulum's.
const bells = [...document.querySelectorAll(".swing")];
const still = matchMedia("(prefers-reduced-motion: reduce)");

function ring(which, degrees = 5) {
  if (still.matches) return;
  const frames = [0, 1, -0.8, 0.55, -0.35, 0.2, -0.1, 0].map(a => ({ transform: `rotate(${a * degrees}deg)`, easing: "ease-in-out" }));
  bells[which].animate(frames, { duration: 1500 - which * 150 });
}

// Messages.
$("form").addEventListener("submit", e => {
  e.preventDefault();
  const text = $("text").value || $("text").placeholder;
  if (!echo.open) return;
  const item = document.createElement("li");
  item.append(document.createElement("span"), document.createElement("small"));
  item.firstChild.textContent = text;
  $("log").prepend(item);
  while ($("log").children.length > 50) $("log").lastChild.remove();
  $("empty").hidden = true;
  $("text").value = "";
  send(text, item);
});

function returned(item, took) {
  item.lastChild.textContent = `back in ${ms(took)} ms`;
  bells.forEach((_, i) => setTimeout(ring, i * 90, i, 12));
}

function lost(item) {
  item.className = "lost";
  item.lastChild.textContent = "lost with the connection";
}

// The server's own figures, pushed once a second.
new Reconnecting("/status", {
  message(data) {
    const s = JSON.parse(data);
    show("connections", s.connections.toLocaleString("en"));
    show("goroutines", s.goroutines.toLocaleString("en"));
    show("loops", s.loops);
    show("uptime", duration(s.uptime));
    show("version", `Carillon ${s.version}, ${s.go}`);
  },
});

function duration(seconds) {
  const h = Math.floor(seconds / 3600), m = Math.floor(seconds / 60) % 60, s = Math.floor(seconds) % 60;
  return h ? `${h} h ${m} min` : m ? `${m} min ${s} s` : `${s} s`;
}

// A crowd of connections that say nothing.
const crowd = new Set();

function crowdButtons() {
  $("fewer").disabled = crowd.size === 0;
  $("more").disabled = !echo.open || crowd.size + 100 > CROWD;
}
$("more").addEventListener("click", () => {
  for (let i = 0; i < 100; i++) {
    const socket = new WebSocket(address("/ws"));
    crowd.add(socket);
    socket.onclose = () => { crowd.delete(socket); crowdButtons(); };
  }
  crowdButtons();
});
$("fewer").addEventListener("click", () => crowd.forEach(socket => socket.close()));

// What the server compiled in.
fetch("echo.go").then(r => r.ok ? r.text() : Promise.reject(r.status)).then(
  text => show("source", text.slice(text.indexOf("package ")).trim()),
  () => show("source", "could not be loaded"));
