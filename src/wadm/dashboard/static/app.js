// The page as a whole: who looks at it, at which lattice, at which view.

import { html, render, useEffect, useRef, useState } from "./vendor/preact.js";
import { lattice, lattices, session, setToken, takeToken } from "./api.js";
import { Application } from "./application.js";
import { Applications } from "./applications.js";
import { Events } from "./events.js";
import { Hosts } from "./hosts.js";
import { Lattices } from "./lattices.js";
import { Notifications } from "./notifications.js";
import { Dialog, Icon, Trouble } from "./parts.js";

const VIEWS = [["applications", "Applications", "apps"], ["hosts", "Hosts", "hosts"], ["events", "Events", "events"],
  ["lattices", "Lattices", "lattices"], ["notifications", "Notifications", "bell"]];

const LINKS = { live: "Live", lost: "Offline", stale: "Out of date" };
const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view = "applications", name = "", tab = ""] = path.split("/").map(decodeURIComponent);
  return { view: view || "applications", name, tab, query: new URLSearchParams(query) };
}

function useRoute(onToken) {
  const [at, go] = useState(route);
  useEffect(() => {
    const changed = () => { if (takeToken()) onToken(); go(route()); };
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return at;
}

function SignIn({ error, onToken }) {
  const [text, set] = useState("");
  const [keep, setKeep] = useState(false);
  return html`<main class="signin"><form onSubmit=${(event) => { event.preventDefault(); onToken(text, keep); }}>
    <img src="favicon.svg" alt="" width="48" height="48" />
    <h1>wadm</h1>
    <p>This server wants a token. <code>wadm up</code> prints a link with one; else ask whoever runs the server.</p>
    <label>Token<input type="password" autocomplete="off" value=${text} onInput=${(event) => set(event.target.value)} autofocus /></label>
    <label class="check"><input type="checkbox" checked=${keep} onChange=${(event) => setKeep(event.target.checked)} /> Remember it in this browser</label>
    ${error && html`<${Trouble} error=${error} />`}
    <button class="primary" disabled=${!text.trim()}>Sign in</button>
  </form></main>`;
}

function nextTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("wadm-theme", root.dataset.theme); } catch { /* it lasts as long as the page */ }
}

const KEYS = [["/", "Search"], ["g a", "Applications"], ["g h", "Hosts"], ["g e", "Events"], ["g l", "Lattices"], ["n", "New application"],
  ["↑ ↓", "Move in a list"], ["Enter", "Open"], ["t", "Light or dark"], ["?", "This help"]];

const Help = ({ onClose, product }) => html`<${Dialog} title="Keyboard" onClose=${onClose}>
  <dl class="keys">${KEYS.map(([keys, what]) => html`<div key=${keys}><dt>${keys.split(" ").map((key) => html`<kbd key=${key}>${key}</kbd>`)}</dt><dd>${what}</dd></div>`)}</dl>
  <p class="about">${product} · <a href="api/openapi.json" target="_blank" rel="noopener">OpenAPI</a> · <a href="metrics" target="_blank" rel="noopener">Metrics</a></p>
<//>`;

function useKeys(onHelp) {
  const waiting = useRef(0);
  useEffect(() => {
    const pressed = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
      if (event.target.closest("input, textarea, select")) {
        if (event.key === "Escape") event.target.blur();
        return;
      }
      const second = Date.now() - waiting.current < 1200;
      waiting.current = event.key === "g" ? Date.now() : 0;
      const view = { a: "applications", h: "hosts", e: "events", l: "lattices" }[event.key];
      if (second && view) { location.hash = `#/${view}`; event.preventDefault(); return; }
      if (event.key === "/") document.querySelector("input[type=search]")?.focus();
      else if (event.key === "n") document.querySelector("[data-key=n]")?.click();
      else if (event.key === "t") nextTheme();
      else if (event.key === "?") onHelp();
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
  const [known, setKnown] = useState([]);
  const [name, setName] = useState("");
  const [link, setLink] = useState({ state: "live" });
  const [help, setHelp] = useState(false);
  const at = useRoute(() => enter());
  useKeys(() => setHelp(true));

  const enter = async () => {
    try {
      const found = await session();
      setWho(found);
      setName((before) => before || remembered() || found.lattice);
      setError(null);
      setKnown(await lattices());
    } catch (failure) {
      setWho(null);
      setError(failure);
    }
  };
  useEffect(() => { enter(); }, []);
  useEffect(() => {
    const timer = setInterval(() => who && lattices().then(setKnown, () => {}), 15000);
    return () => clearInterval(timer);
  }, [who]);
  useEffect(() => { document.title = `${at.name || VIEWS.find(([view]) => view === at.view)?.[1] || "wadm"} · wadm`; }, [at.view, at.name]);

  if (!who) {
    if (!error) return html`<main class="signin"><p class="loading">Connecting …</p></main>`;
    if (error.status === 401 || error.status === 403) {
      return html`<${SignIn} error=${/needed/.test(error.message) ? null : error} onToken=${(text, keep) => { setToken(text, keep); enter(); }} />`;
    }
    return html`<main class="signin"><form onSubmit=${(event) => { event.preventDefault(); enter(); }}><h1>wadm</h1><${Trouble} error=${error} /><button class="primary">Try again</button></form></main>`;
  }

  const api = lattice(name);
  const full = who.role === "full";
  const onLink = (state, message, status) => { setLink({ state, message }); if (status === 401) { setWho(null); setError({ status, message }); } };
  const choose = (one) => { remember(one); setName(one); location.hash = "#/applications"; };
  const options = [...new Set([name, ...known])].sort();
  const View = { hosts: Hosts, events: Events, lattices: Lattices, notifications: Notifications }[at.view] || (at.name ? Application : Applications);

  return html`
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById("main").focus(); }}>Skip to the content</a>
    <header class="top">
      <a class="brand" href="#/applications" aria-label="wadm: applications"><img src="favicon.svg" alt="" width="26" height="26" /><span>wadm</span></a>
      <label class="lattice"><span>Lattice</span>
        <select value=${name} onChange=${(event) => choose(event.target.value)} aria-label="Lattice">${options.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}</select></label>
      <nav aria-label="Views">${VIEWS.filter(([view]) => view !== "notifications" || who.webhooks).map(([view, title, icon]) => html`
        <a key=${view} href=${`#/${view}`} aria-current=${at.view === view ? "page" : undefined}><${Icon} name=${icon} /><span>${title}</span></a>`)}</nav>
      <span class="space"></span>
      ${!full && html`<span class="pill" title="This token may only read"><${Icon} name="lock" size="13" /><span>Read-only</span></span>`}
      <span class="link ${link.state}" role="status"><i></i><span>${LINKS[link.state]}</span></span>
      <button class="quiet" onClick=${nextTheme} aria-label="Light or dark" title="Light or dark (t)"><${Icon} name="moon" /></button>
      <button class="quiet" onClick=${() => setHelp(true)} aria-label="Help" title="Keyboard (?)"><${Icon} name="help" /></button>
    </header>
    ${link.state !== "live" && html`<div class="offline ${link.state}" role="alert">${sentence(link.message)} What is shown may be out of date; trying again.</div>`}
    <main id="main" tabindex="-1"><${View} key=${`${name}/${at.view}/${at.name}`} api=${api} full=${full} who=${who} at=${at} onLink=${onLink} names=${options} current=${name} onChoose=${choose} /></main>
    ${help && html`<${Help} onClose=${() => setHelp(false)} product=${who.product} />`}`;
}

const remembered = () => { try { return sessionStorage.getItem("wadm-lattice"); } catch { return ""; } };
const remember = (name) => { try { sessionStorage.setItem("wadm-lattice", name); } catch { /* not kept */ } };

takeToken();
render(html`<${App} />`, document.getElementById("app"));
