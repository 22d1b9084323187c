// The server, as the page speaks to it: requests with a token, and streams of events that come back by themselves.

const KEY = "wadm-token";

let token = "";
try {
  token = sessionStorage.getItem(KEY) || localStorage.getItem(KEY) || "";
} catch { /* nothing is kept, then */ }

/** Take the token out of the address, where `wadm up` puts it, so that it is not seen, shared or kept in the history; return whether there was one. */
export function takeToken() {
  const found = /[#&]token=([^&]+)/.exec(location.hash);
  if (!found) return false;
  setToken(decodeURIComponent(found[1]), false);
  history.replaceState(null, "", location.pathname + "#/applications");
  return true;
}

export function setToken(text, keep) {
  token = text.trim();
  try {
    sessionStorage.setItem(KEY, token);
    if (keep) localStorage.setItem(KEY, token);
    if (!token) { sessionStorage.removeItem(KEY); localStorage.removeItem(KEY); }
  } catch { /* it lasts as long as the page */ }
}

export class Failed extends Error {
  constructor(status, reply) {
    super(reply.message || `The server answered ${status}`);
    this.status = status;
    this.problems = reply.problems || [];
  }
}

function headers(more) {
  return token ? { ...more, Authorization: `Bearer ${token}` } : { ...more };
}

async function ask(method, path, body, type) {
  let answer;
  try {
    answer = await fetch(path, { method, body, headers: headers(type ? { "Content-Type": type } : {}), cache: "no-store" });
  } catch {
    throw new Failed(0, { message: "The server cannot be reached" });
  }
  let reply = {};
  try { reply = await answer.json(); } catch { /* what it means is in the status */ }
  if (!answer.ok) throw new Failed(answer.status, reply);
  return reply;
}

export const session = () => ask("GET", "api/v1/session");
export const lattices = () => ask("GET", "api/v1/lattices").then((reply) => reply.lattices);

export const webhooks = () => ask("GET", "api/v1/webhooks");
export const retryNotification = (id) => ask("POST", `api/v1/webhooks/dead/${encodeURIComponent(id)}/retry`);

/** All that can be asked about one lattice. */
export function lattice(name) {
  const root = `api/v1/lattices/${encodeURIComponent(name)}`;
  const app = (one) => `${root}/applications/${encodeURIComponent(one)}`;
  const query = (said) => {
    const pairs = Object.entries(said).filter(([, value]) => value !== undefined && value !== "" && value !== null);
    return pairs.length ? `?${new URLSearchParams(pairs)}` : "";
  };
  const post = (path, said) => ask("POST", path, JSON.stringify(said || {}), "application/json");
  return {
    name,
    counts: () => ask("GET", root),
    manifest: (one, version) => ask("GET", app(one) + query({ version })).then((reply) => reply.manifest),
    versions: (one) => ask("GET", `${app(one)}/versions`).then((reply) => reply.versions),
    explain: (one) => ask("GET", `${app(one)}/explain`).then((reply) => reply.explanation),
    history: (one) => ask("GET", `${app(one)}/history`).then((reply) => reply.revisions || []),
    events: (one, said = {}) => ask("GET", `${one ? app(one) : root}/events${query(said)}`),
    plan: (one, said) => ask("GET", `${app(one)}/plan${query(said)}`).then((reply) => reply.plan),
    planManifest: (text) => ask("POST", `${root}/plan`, text, kindOf(text)).then((reply) => reply.plan),
    put: (text) => ask("POST", `${root}/applications`, text, kindOf(text)),
    deploy: (one, said) => post(`${app(one)}/deploy`, said),
    undeploy: (one, said) => post(`${app(one)}/undeploy`, said),
    rollback: (one, said) => post(`${app(one)}/rollback`, said),
    remove: (one, version) => ask("DELETE", app(one) + query({ version })),
    follow: (topic, handlers) => follow(`${root}/stream/${topic}`, handlers),
    followApplication: (one, handlers) => follow(`${app(one)}/stream`, handlers),
  };
}

const kindOf = (text) => (text.trimStart().startsWith("{") ? "application/json" : "application/yaml");

/**
 * Call `handlers[kind](data)` for each event of a stream, until the function that is returned is called. A stream that
 * ends is begun again; `handlers.state("live" | "lost", message)` tells of it. Not an EventSource: that sends no token.
 */
export function follow(path, handlers) {
  const stop = new AbortController();
  (async () => {
    let pause = 500;
    while (!stop.signal.aborted) {
      try {
        const answer = await fetch(path, { headers: headers({ Accept: "text/event-stream" }), signal: stop.signal, cache: "no-store" });
        if (!answer.ok) throw new Failed(answer.status, await answer.json().catch(() => ({})));
        handlers.state?.("live");
        pause = 500;
        await read(answer.body, handlers);
        if (!stop.signal.aborted) handlers.state?.("lost", "The connection to the server was lost");
      } catch (error) {
        if (stop.signal.aborted) return;
        const away = !(error instanceof Failed);
        handlers.state?.("lost", away ? "The server cannot be reached" : error.message, error.status);
        if (error.status === 401 || error.status === 403 || error.status === 400) return;
      }
      await new Promise((done) => setTimeout(done, pause));
      pause = Math.min(pause * 2, 8000);
    }
  })();
  return () => stop.abort();
}

async function read(body, handlers) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    let end;
    let from = 0;
    while ((end = rest.indexOf("\n\n", from)) >= 0) {
      dispatch(rest.slice(from, end), handlers);
      from = end + 2;
    }
    rest = rest.slice(from);
  }
}

function dispatch(block, handlers) {
  let kind = "message";
  let data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) kind = line.slice(7);
    else if (line.startsWith("data: ")) data += line.slice(6);
  }
  if (data && handlers[kind]) handlers[kind](JSON.parse(data));
}
