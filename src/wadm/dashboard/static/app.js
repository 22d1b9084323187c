// The page as a whole: who looks at it, at which lattice, at which view, and how the connection to the server is.

import { html, render, useEffect, useRef, useState } from "./vendor/preact.js";
import { currentToken, forgetToken, keepToken, keptToken, lattice, session, takeToken, useToken } from "./api.js";
import { Applications } from "./applications.js";
import { askToken, signOut, start, watchLink, whenSignedOut } from "./link.js";
import { Dialog, Icon, Loading, Trouble, useSnapshot } from "./parts.js";
import { current, go, moved, read, replace, to, useRoute } from "./route.js";

const LATER = {
  application: () => import("./application.js"), hosts: () => import("./hosts.js"), host: () => import("./host.js"),
  events: () => import("./events.js"), links: () => import("./links.js"), lattices: () => import("./lattices.js"),
  trends: () => import("./trends.js"), notifications: () => import("./notifications.js"), api: () => import("./explorer.js"), palette: () => import("./palette.js"),
};
const VIEWS = [["applications", "Applications", "apps", "a"], ["hosts", "Hosts", "hosts", "h"], ["links", "Links", "links", "i"], ["events", "Events", "events", "e"],
  ["trends", "Trends", "trends", "r"], ["lattices", "Lattices", "lattices", "l"], ["notifications", "Notifications", "bell", "n"]];
const SHORT = { applications: "Apps", notifications: "Notices" };
const TITLES = Object.fromEntries([...VIEWS.map(([view, title]) => [view, title]), ["api", "API"]]);

const LINKS = { live: "Live", connecting: "Connecting", lost: "Offline", stale: "Out of date", refused: "Signed out" };
const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, "")}.`;
const BANNERS = {
  lost: "What is shown may be out of date; trying again.", stale: "What is shown may be out of date; trying again.",
  refused: "What is shown is how things were before.",
};

/** A view whose code is loaded when it is first looked at. */
const loaded = {};
function useView(name) {
  const [, again] = useState(0);
  const [error, setError] = useState(null);
  useEffect(() => {
    if (!name || loaded[name]) return undefined;
    let wanted = true;
    const load = () => LATER[name]().then((found) => { loaded[name] = found.default; setError(null); if (wanted) again((n) => n + 1); }, () => {
      if (!wanted) return;
      setError({ message: "This view could not be loaded: the server cannot be reached" });
      setTimeout(() => wanted && load(), 2000);
    });
    load();
    return () => { wanted = false; };
  }, [name]);
  return [loaded[name], error];
}

/** Load all views while there is nothing else to do, so that they are there when the server is not. */
function loadAll() {
  const soon = window.requestIdleCallback || ((work) => setTimeout(work, 500));
  soon(() => Object.entries(LATER).forEach(([name, load]) => load().then((found) => { loaded[name] = found.default; }, () => {})));
}

function SignIn({ error, onToken, onCancel }) {
  const [text, set] = useState("");
  const [keep, setKeep] = useState(false);
  return html`<main class="signin"><form onSubmit=${(event) => { event.preventDefault(); onToken(text.trim(), keep); }}>
    <img src="favicon.svg" alt="" width="48" height="48" />
    <h1>wadm</h1>
    <p>This server wants a token. <code>wadm up</code> prints a link with one; else ask whoever runs the server.</p>
    <label>Token<input type="password" autocomplete="off" value=${text} onInput=${(event) => set(event.target.value)} autofocus /></label>
    <label class="check"><input type="checkbox" checked=${keep} onChange=${(event) => setKeep(event.target.checked)} /> Remember it in this browser</label>
    ${error && html`<${Trouble} error=${error} />`}
    <button class="primary" disabled=${!text.trim()}>Sign in</button>
    ${onCancel && html`<button type="button" onClick=${onCancel}>Go on without</button>`}
  </form></main>`;
}

function nextTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("wadm-theme", root.dataset.theme); } catch { /* it lasts as long as the page */ }
  dispatchEvent(new Event("wadm-theme"));
}

const KEYS = [["Ctrl K", "Find anything"], ["/", "Search in the view"], ...VIEWS.map(([, title, , key]) => [`g ${key}`, title]), ["n", "New application or version"],
  ["↑ ↓", "Move in a list"], ["Enter", "Open"], ["x", "Select in a list"], ["t", "Light or dark"], ["?", "This help"]];

const Help = ({ onClose, product }) => html`<${Dialog} title="Keyboard" onClose=${onClose}>
  <dl class="keys">${KEYS.map(([keys, what]) => html`<div key=${keys}><dt>${keys.split(" ").map((key) => html`<kbd key=${key}>${key}</kbd>`)}</dt><dd>${what}</dd></div>`)}</dl>
  <p class="about">${product} · <a href=${to({ view: "api" })} onClick=${onClose}>API</a> · <a href="api/openapi.json" target="_blank" rel="noopener">OpenAPI</a> · <a href="metrics" target="_blank" rel="noopener">Metrics</a></p>
<//>`;

const Account = ({ who, onClose, onSignIn }) => html`<${Dialog} title="Who you are" onClose=${onClose}>
  <div class="body"><dl class="facts">
    <div><dt>Name</dt><dd>${who.signed_in ? who.name || "The token has no name: what it changes has no author" : "Nobody: you read without a token"}</dd></div>
    <div><dt>May</dt><dd>${who.role === "full" ? "read and change everything" : who.read_only ? "read: this server lets nobody change anything" : "read"}</dd></div></dl></div>
  <footer><span class="space"></span>${who.signed_in ? html`<button data-first onClick=${signOut}>Sign out</button>` : html`<button class="primary" data-first onClick=${onSignIn}>Sign in</button>`}</footer>
<//>`;

function useKeys(onHelp, onPalette) {
  const waiting = useRef(0);
  const does = useRef({});
  does.current = { onHelp, onPalette };
  useEffect(() => {
    const pressed = (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); does.current.onPalette(); return; }
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
      if (event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) {
        if (event.key === "Escape") event.target.blur();
        return;
      }
      const second = Date.now() - waiting.current < 1200;
      waiting.current = event.key === "g" ? Date.now() : 0;
      const view = VIEWS.find(([, , , key]) => key === event.key)?.[0];
      if (second && view) { go({ view }); event.preventDefault(); return; }
      if (event.key === "/") document.querySelector("input[type=search]")?.focus();
      else if (event.key === "n") document.querySelector("[data-key=n]")?.click();
      else if (event.key === "t") nextTheme();
      else if (event.key === "?") does.current.onHelp();
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

function App() {
  const [who, setWho] = useState(null);
  const [error, setError] = useState(null);
  const [link, setLink] = useState({ state: "connecting", message: "" });
  const [open, setOpen] = useState("");
  const at = useRoute();
  const view = at.view === "applications" && at.name ? "application" : at.view === "hosts" && at.name ? "host" : at.view;
  const [View, failed] = useView(view === "applications" ? "" : LATER[view] ? view : "");
  const [Palette] = useView(open === "palette" ? "palette" : "");
  const known = useSnapshot(who ? "lattices" : "")?.lattices || [];
  useKeys(() => setOpen("help"), () => who && setOpen("palette"));

  /** Come in with a token; where that does not count, what was so before goes on. */
  const enter = async (token, remember) => {
    const before = currentToken();
    useToken(token);
    try {
      const found = await session();
      if (token) keepToken(remember);
      start(token);
      setWho(found);
      setError(null);
      setOpen("");
      const here = current();
      if (!here.lattice || !location.hash.startsWith("#/l/")) replace({ lattice: here.lattice || remembered() || found.lattice });
      loadAll();
      return true;
    } catch (failure) {
      useToken(before);
      setError({ ...failure, message: failure.message, tried: Boolean(token) });
      return false;
    }
  };
  const begin = async () => {
    const given = takeToken();
    if (given) moved();
    const kept = given || keptToken() || await askToken();
    if (await enter(kept) || !kept || given) return;
    const shared = await askToken();
    if (!shared || shared === kept || !await enter(shared)) await enter("");
  };
  useEffect(() => {
    begin();
    whenSignedOut(() => { forgetToken(); setWho(null); setOpen(""); setError(null); enter(""); });
    const stop = watchLink(setLink);
    // A link of `wadm up` may be opened in a tab that shows the page already.
    const hash = () => { const given = takeToken(); if (given) { moved(); enter(given); } };
    addEventListener("hashchange", hash);
    return () => { stop(); removeEventListener("hashchange", hash); };
  }, []);
  useEffect(() => { document.title = `${at.name || TITLES[at.view] || "wadm"}${at.lattice && at.lattice !== "default" ? ` · ${at.lattice}` : ""} · wadm`; }, [at.view, at.name, at.lattice]);
  useEffect(() => {
    if (at.lattice) remember(at.lattice);
    else if (who && !read(location.hash).lattice) replace({ lattice: who.lattice }); // an address of an older version
  }, [at.lattice, who]);

  if (open === "signin" || (!who && error && (error.status === 401 || error.status === 403))) {
    return html`<${SignIn} error=${error?.tried ? error : null} onToken=${enter} onCancel=${who ? () => { setOpen(""); setError(null); } : null} />`;
  }
  if (!who) {
    if (!error) return html`<main class="signin"><p class="loading">Connecting …</p></main>`;
    return html`<main class="signin"><form onSubmit=${(event) => { event.preventDefault(); begin(); }}><h1>wadm</h1><${Trouble} error=${error} /><button class="primary">Try again</button></form></main>`;
  }

  const name = at.lattice || who.lattice;
  const api = lattice(name);
  const full = who.role === "full";
  const options = [...new Set([name, ...known])].sort();
  const Shown = view === "applications" ? Applications : View;
  const possible = /^[\w-]+$/.test(name);
  const close = () => setOpen("");

  return html`
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById("main").focus(); }}>Skip to the content</a>
    <header class="top"><div class="bar-in">
      <a class="brand" href=${to({ view: "applications" })} aria-label="wadm: applications"><img src="favicon.svg" alt="" width="26" height="26" /><span>wadm</span></a>
      <label class="lattice"><span>Lattice</span>
        <select value=${name} onChange=${(event) => go({ lattice: event.target.value, view: ["application", "host"].includes(view) ? "applications" : at.view })} aria-label="Lattice">${options.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}</select></label>
      <nav aria-label="Views">${VIEWS.filter(([one]) => one !== "notifications" || who.webhooks).map(([one, title, icon]) => html`
        <a key=${one} href=${to({ view: one })} aria-current=${at.view === one ? "page" : undefined}><${Icon} name=${icon} /><span class="long">${title}</span><span class="short" aria-hidden="true">${SHORT[one] || title}</span></a>`)}</nav>
      <span class="space"></span>
      <button class="find" onClick=${() => setOpen("palette")} aria-label="Find anything" title="Find anything (Ctrl K)"><${Icon} name="search" size="14" /><span>Find</span><kbd>Ctrl K</kbd></button>
      <span class="link ${link.state}" role="status"><i></i><span>${LINKS[link.state]}</span></span>
      <button class="quiet" onClick=${nextTheme} aria-label="Light or dark" title="Light or dark (t)"><${Icon} name="moon" /></button>
      <button class="quiet who-am-i" onClick=${() => setOpen("account")} aria-label=${`Account: ${who.name || (who.signed_in ? "no name" : "not signed in")}${full ? "" : ", read-only"}`} title="Who you are">${full ? html`<${Icon} name="user" />` : html`<${Icon} name="lock" size="13" />`}<span>${full ? who.name : "Read-only"}</span></button>
      <button class="quiet" onClick=${() => setOpen("help")} aria-label="Help" title="Keyboard (?)"><${Icon} name="help" /></button>
    </div></header>
    ${BANNERS[link.state] && html`<div class="offline ${link.state}" role="alert">${sentence(link.message)} ${BANNERS[link.state]}${link.state === "refused" ? html` <button class="small" onClick=${() => setOpen("signin")}>Sign in</button>` : ""}</div>`}
    <main id="main" tabindex="-1">${!possible ? html`<section class="empty"><h1>There can be no lattice “${name}”</h1><p>The name of a lattice consists of letters, digits, dashes and underscores.</p><p><a href=${to({ lattice: who.lattice, view: "applications" })}>Lattice ${who.lattice}</a></p></section>` : Shown ? html`<${Shown} key=${`${name}/${view}/${at.name}`} api=${api} full=${full} who=${who} at=${at} names=${options} current=${name} />`
      : !LATER[view] ? html`<${Nowhere} view=${at.view} />` : failed ? html`<${Trouble} error=${failed} />` : html`<${Loading} what="the view" />`}</main>
    ${open === "help" && html`<${Help} onClose=${close} product=${who.product} />`}
    ${open === "account" && html`<${Account} who=${who} onClose=${close} onSignIn=${() => setOpen("signin")} />`}
    ${open === "palette" && Palette && html`<${Palette} onClose=${close} api=${api} full=${full} names=${options} views=${VIEWS} actions=${{ theme: nextTheme, help: () => setOpen("help"), account: () => setOpen("account") }} />`}`;
}

const Nowhere = ({ view }) => html`<section class="empty"><h1>There is no view “${view}”</h1><p>The address may be misspelt, or of another version.</p><p><a href=${to({ view: "applications" })}>All applications</a></p></section>`;

const remembered = () => { try { return sessionStorage.getItem("wadm-lattice"); } catch { return ""; } };
const remember = (name) => { try { if (name) sessionStorage.setItem("wadm-lattice", name); } catch { /* not kept */ } };

render(html`<${App} />`, document.getElementById("app"));
