// This tab's side of the connection to the server: what it follows, and how the connection is.
//
// The connection itself is kept by a hub (hub.js): in a shared worker where browsers have them; else in the tab that
// holds a lock, with which the others speak over a broadcast channel; else in each tab.

import { Hub } from "./hub.js";

const HERE = 30000;
const ID = Math.random().toString(36).slice(2);

let send = () => {};
let token = "";
let link = { state: "connecting", message: "" };
const followers = new Map(); // topic -> handlers
const watchers = new Set();
const asked = [];
let onSignOut = () => {};

/** Choose where the hub runs. `?hub=worker|channel|tab` in the address chooses for tests. */
function connect() {
  const way = new URLSearchParams(location.search).get("hub");
  if (typeof SharedWorker !== "undefined" && (!way || way === "worker")) {
    try { return overWorker(); } catch { /* forbidden here: go on */ }
  }
  if (typeof BroadcastChannel !== "undefined" && navigator.locks && way !== "tab") return overChannel();
  return alone();
}

function overWorker() {
  const worker = new SharedWorker("worker.js", { type: "module", name: "wadm" });
  let answered = false;
  worker.port.onmessage = ({ data }) => { answered = true; take(data); };
  worker.port.start();
  worker.onerror = () => { if (!answered) { overChannelOrAlone(); say(); asked.forEach((one) => one.ask()); } };
  send = (said) => worker.port.postMessage(said);
}

function overChannelOrAlone() {
  if (typeof BroadcastChannel !== "undefined" && navigator.locks) overChannel();
  else alone();
}

function overChannel() {
  const channel = new BroadcastChannel("wadm-hub");
  let hub = null;
  send = (said) => (hub ? hub.hear(ID, said, take) : channel.postMessage({ from: ID, said }));
  channel.onmessage = ({ data }) => {
    if (data.to === ID) take(data.said);
    else if (data.hub) say();
    else if (hub && data.from) hub.hear(data.from, data.said, (said) => channel.postMessage({ to: data.from, said }));
  };
  navigator.locks.request("wadm-hub", () => {
    hub = new Hub();
    channel.postMessage({ hub: true });
    say();
    asked.forEach((one) => one.ask());
    return new Promise(() => {});
  });
}

function alone() {
  const hub = new Hub();
  send = (said) => hub.hear(ID, said, take);
}

function take(said) {
  if (said.kind === "event") followers.get(said.topic)?.forEach((handlers) => handlers[said.event]?.(said.data));
  else if (said.kind === "link") { link = said.link; watchers.forEach((watch) => watch(link)); }
  else if (said.kind === "token") asked.splice(0).forEach((one) => one.done(said.token));
  else if (said.kind === "out") onSignOut();
}

let leaving = false;
function say() {
  if (leaving || !started) return;
  send({ kind: "state", token, topics: [...followers.keys()], visible: document.visibilityState === "visible" });
}

let waiting = false;
function saySoon() {
  if (waiting) return;
  waiting = true;
  queueMicrotask(() => { waiting = false; say(); });
}

let started = false;
/** Begin to be told things with this token (`""`: without one). */
export function start(given) {
  token = given;
  started = true;
  say();
}

/** Ask other tabs for the token that they have; `""` where there is none. */
export function askToken() {
  return new Promise((done) => {
    const one = { done, ask: () => send({ kind: "who" }) };
    asked.push(one);
    one.ask();
    setTimeout(() => { if (asked.includes(one)) { asked.splice(asked.indexOf(one), 1); done(""); } }, 3000);
  });
}

/** Have all tabs forget the token. */
export function signOut() { send({ kind: "out" }); onSignOut(); }
export function whenSignedOut(handler) { onSignOut = () => { started = false; handler(); }; }

const TOPIC = /^(lattices|notifications|[\w-]+\/(hosts|events|applications(\/[\w=-]+)?))$/;

/** Call `handlers[event](data)` for what is told of a topic, until the function that is returned is called. Of what can be
 * no topic nothing is told: the server would refuse the stream of all tabs for it. */
export function follow(topic, handlers) {
  if (!TOPIC.test(topic)) return () => {};
  if (followers.has(topic)) send({ kind: "again", topic });
  else followers.set(topic, new Set());
  followers.get(topic).add(handlers);
  saySoon();
  return () => {
    const all = followers.get(topic);
    all.delete(handlers);
    if (!all.size) followers.delete(topic);
    saySoon();
  };
}

/** Call `watch` with how the connection is, now and whenever that changes. */
export function watchLink(watch) {
  watchers.add(watch);
  watch(link);
  return () => watchers.delete(watch);
}

connect();
document.addEventListener("visibilitychange", say);
setInterval(say, HERE);
// Browsers keep pages that were left, to show them again: such a page must not hold the connection.
addEventListener("pagehide", () => { leaving = true; send({ kind: "bye" }); });
addEventListener("pageshow", () => { leaving = false; say(); });
