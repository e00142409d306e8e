"use strict";

const $ = (id) => document.getElementById(id);
const most = 300;
let samples = [];

const count = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) { n /= 1024; i++; }
  return `${n < 10 && i > 0 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

const ms = (v) => (v === 0 ? "–" : v < 10 ? v.toFixed(2) : v < 100 ? v.toFixed(1) : count.format(v));

function span(seconds) {
  const d = Math.floor(seconds / 86400), h = Math.floor(seconds / 3600) % 24, m = Math.floor(seconds / 60) % 60;
  return d ? `${d} d ${h} h` : h ? `${h} h ${m} min` : m ? `${m} min ${Math.floor(seconds % 60)} s` : `${Math.floor(seconds)} s`;
}

function node(name, attrs, text) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [k, v] of Object.entries(attrs)) e.setAttribute(k, v);
  if (text !== undefined) e.textContent = text;
  return e;
}

// A round number at or above the highest value.
function ceiling(v, least) {
  if (v <= least) return least;
  const p = 10 ** Math.floor(Math.log10(v));
  for (const f of [1, 2, 5, 10]) if (v <= f * p) return f * p;
  return v;
}

function plot(svg, lines, least, label) {
  const { width, height } = svg.getBoundingClientRect();
  if (!width) return;
  const left = 46, bottom = 18, top = 6, w = width - left - 2, h = height - bottom - top;
  let high = least;
  for (const line of lines) for (const s of samples) high = Math.max(high, line(s));
  high = ceiling(high, least);
  const shown = Math.max(60, samples.length);
  const x = (i) => left + w * (1 - (samples.length - 1 - i) / (shown - 1));
  const y = (v) => top + h * (1 - v / high);
  const parts = [];
  for (const f of [0, 0.5, 1]) {
    parts.push(node("line", { class: "grid", x1: left, x2: left + w, y1: y(high * f), y2: y(high * f) }));
    parts.push(node("text", { x: left - 6, y: y(high * f) + 4, "text-anchor": "end" }, label(high * f)));
  }
  for (const [at, text] of [[left, `${Math.round(shown / 6) / 10} min ago`], [left + w, "now"]]) {
    parts.push(node("text", { x: at, y: height - 3, "text-anchor": at === left ? "start" : "end" }, text));
  }
  lines.forEach((line, n) => {
    const d = samples.map((s, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(line(s)).toFixed(1)}`).join("");
    if (n === 0 && samples.length > 1) parts.push(node("path", { class: "area", d: `${d}L${x(samples.length - 1)} ${y(0)}L${x(0)} ${y(0)}Z` }));
    parts.push(node("path", { class: `l${n + 1}`, d }));
  });
  svg.replaceChildren(...parts);
}

function row(loop, all) {
  const tr = document.createElement("tr");
  const meter = document.createElement("meter");
  meter.max = Math.max(all, 1);
  meter.value = loop.requests;
  for (const v of [loop.n, count.format(loop.requests), meter, loop.lag.toFixed(2)]) {
    const td = document.createElement("td");
    td.append(v);
    tr.append(td);
  }
  return tr;
}

function show() {
  const s = samples[samples.length - 1];
  if (!s) return;
  $("requests").textContent = count.format(s.requests);
  $("connections").textContent = count.format(s.connections);
  $("inFlight").textContent = count.format(s.inFlight);
  $("goroutines").textContent = count.format(s.goroutines);
  $("p50").textContent = ms(s.p50);
  $("p99").textContent = ms(s.p99);
  $("bytes").textContent = bytes(s.bytes);
  $("heap").textContent = bytes(s.heap);
  $("about").textContent = `${s.version} on ${(s.listen ?? []).join(", ")}, up ${span(s.uptime)}, ${count.format(s.total)} requests so far`;
  plot($("plotRequests"), [(s) => s.requests, (s) => s.errors4, (s) => s.errors5], 10, (v) => short.format(v));
  plot($("plotLatency"), [(s) => s.p50, (s) => s.p99], 1, (v) => short.format(v));
  plot($("plotConnections"), [(s) => s.connections, (s) => s.inFlight], 10, (v) => short.format(v));
  plot($("plotBytes"), [(s) => s.bytes], 1024, (v) => bytes(v));
  if (s.loops.length) {
    const all = s.loops.reduce((n, l) => n + l.requests, 0);
    $("loops").replaceChildren(...s.loops.map((l) => row(l, all)));
  }
  document.documentElement.dataset.samples = samples.length;
}

function state(name, text) {
  $("state").dataset.state = name;
  $("state").textContent = text;
}

let pause = 500;
function connect() {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/-/status/feed`);
  let first = true;
  socket.onopen = () => { state("live", "live"); pause = 500; };
  socket.onmessage = (e) => {
    const list = JSON.parse(e.data);
    samples = first ? list : samples.concat(list).slice(-most);
    first = false;
    show();
  };
  socket.onclose = () => {
    state("waiting", "no answer, trying again");
    setTimeout(connect, pause);
    pause = Math.min(pause * 2, 10_000);
  };
}

addEventListener("resize", show);
connect();
