// Requests to the server, with the token of whoever looks.

const KEY = "wadm-token";

let token = "";

function stored(kind) { try { return window[kind].getItem(KEY) || ""; } catch { return ""; } }
function store(kind, text) { try { if (text) window[kind].setItem(KEY, text); else window[kind].removeItem(KEY); } catch { /* it lasts as long as the page */ } }

/** Return the token of the address, which `wadm up` puts there, and take it out, so that it is not seen, shared or kept
 * in the history; "" where there is none. */
export function takeToken() {
  const found = /[#&]token=([^&]+)/.exec(location.hash);
  if (!found) return "";
  history.replaceState(null, "", location.pathname + location.search + "#/");
  try { return decodeURIComponent(found[1]).trim(); } catch { return found[1].trim(); }
}

/** Return the token that this browser keeps. */
export const keptToken = () => stored("sessionStorage") || stored("localStorage");

export const currentToken = () => token;
export function useToken(text) { token = text; }

/** Keep the token in use: for this tab, and in this browser where that is wanted or was so with the last one. */
export function keepToken(remember) {
  store("sessionStorage", token);
  if (remember || stored("localStorage")) store("localStorage", token);
}

export function forgetToken() {
  token = "";
  store("sessionStorage", "");
  store("localStorage", "");
}

export class Failed extends Error {
  constructor(status, reply) {
    super(reply.message || `The server answered ${status}`);
    this.status = status;
    this.problems = reply.problems || [];
  }
}

const PATIENCE = 15000;

async function ask(method, path, body, type) {
  let answer;
  try {
    const headers = { ...(type ? { "Content-Type": type } : {}), ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    answer = await fetch(path, { method, body, headers, cache: "no-store", signal: AbortSignal.timeout?.(PATIENCE) });
  } catch (error) {
    throw new Failed(0, { message: error.name === "TimeoutError" ? "The server does not answer" : "The server cannot be reached" });
  }
  let reply = {};
  try { reply = await answer.json(); } catch { /* what it means is in the status */ }
  if (!answer.ok) throw new Failed(answer.status, reply);
  return reply;
}

export const session = () => ask("GET", "api/v1/session");
export const openapi = () => ask("GET", "api/openapi.json");

const hook = (name) => `api/v1/webhooks/${encodeURIComponent(name)}`;
export const retryNotification = (id) => ask("POST", `${hook("dead")}/${encodeURIComponent(id)}/retry`);
export const discardNotification = (id) => ask("DELETE", `${hook("dead")}/${encodeURIComponent(id)}`);
export const testWebhook = (name) => ask("POST", `${hook(name)}/test`);

/** Send any request; return its status, its time in milliseconds and its text. */
export async function raw(method, path, body, type) {
  const began = performance.now();
  const headers = { ...(type ? { "Content-Type": type } : {}), ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const answer = await fetch(path, { method, body, headers, cache: "no-store", signal: AbortSignal.timeout?.(PATIENCE) });
  return { status: answer.status, text: await answer.text(), took: performance.now() - began };
}

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
    trend: (last) => ask("GET", `${root}/trends${query({ last })}`),
    applicationTrend: (one, last) => ask("GET", `${app(one)}/trends${query({ last })}`),
    hostTrend: (one, last) => ask("GET", `${root}/hosts/${encodeURIComponent(one)}/trends${query({ last })}`),
    sparklines: (last) => ask("GET", `${root}/sparklines${query({ last })}`),
    links: () => ask("GET", `${root}/links`).then((reply) => reply.links),
    config: (one) => ask("GET", `${root}/configs/${encodeURIComponent(one)}`).then((reply) => reply.config),
    plan: (one, said) => ask("GET", `${app(one)}/plan${query(said)}`).then((reply) => reply.plan),
    planManifest: (text) => ask("POST", `${root}/plan`, text, kindOf(text)).then((reply) => reply.plan),
    put: (text) => ask("POST", `${root}/applications`, text, kindOf(text)),
    deploy: (one, said) => post(`${app(one)}/deploy`, said),
    undeploy: (one, said) => post(`${app(one)}/undeploy`, said),
    rollback: (one, said) => post(`${app(one)}/rollback`, said),
    remove: (one, version) => ask("DELETE", app(one) + query({ version })),
  };
}

const kindOf = (text) => (text.trimStart().startsWith("{") ? "application/json" : "application/yaml");
