// All applications of a lattice: what is wrong first, thousands of rows of which only those in sight are drawn.

import { html, useEffect, useMemo, useRef, useState } from "./vendor/preact.js";
import { cause, duration, GRAVITY, number, plural, STATES, TITLES } from "./format.js";
import { NewApplication } from "./editor.js";
import { Badge, Command, Icon, Loading, Shape, useNow } from "./parts.js";

const ORDERS = {
  problems: ["Problems first", (a, b) => GRAVITY[a.status] - GRAVITY[b.status] || (a.since || 9e9) - (b.since || 9e9) || byName(a, b)],
  name: ["By name", (a, b) => byName(a, b)],
  recent: ["Changed last first", (a, b) => (b.since || 0) - (a.since || 0) || byName(a, b)],
};
const byName = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

/** The table of a stream's rows, and why it may be out of date. */
export function useRows(api, topic, key, onLink) {
  const [state, set] = useState({ rows: null, problem: "" });
  useEffect(() => {
    const table = new Map();
    const show = (problem) => {
      onLink(problem ? "stale" : "live", problem);
      set({ rows: table, problem: problem || "", round: {} });
    };
    return api.follow(topic, {
      state: onLink,
      snapshot: (data) => { table.clear(); data.rows.forEach((row) => table.set(row[key], row)); show(data.problem); },
      changes: (data) => { data.gone.forEach((one) => table.delete(one)); data.rows.forEach((row) => table.set(row[key], row)); show(data.problem); },
    });
  }, [api.name, topic]);
  return state;
}

export function Applications({ api, full, at, onLink }) {
  const state = useRows(api, "applications", "name", onLink);
  const [text, setText] = useState("");
  const [only, setOnly] = useState(at.query.get("status") || "");
  const [order, setOrder] = useState("problems");
  const [adding, setAdding] = useState(at.query.has("new"));
  const { rows, problem } = state;

  const counts = useMemo(() => {
    const found = Object.fromEntries(STATES.map((one) => [one, 0]));
    for (const row of rows?.values() || []) found[row.status] += 1;
    return found;
  }, [state]);
  const shown = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (row) => (!only || row.status === only)
      && words.every((word) => `${row.name} ${row.description || ""} ${row.version} ${row.problem || ""} ${row.error || ""}`.toLowerCase().includes(word));
    return rows ? [...rows.values()].filter(fits).sort(ORDERS[order][1]) : [];
  }, [state, text, only, order]);

  if (!rows) return html`<${Loading} what="the applications" />`;
  const dialog = adding && html`<${NewApplication} api=${api} onClose=${() => setAdding(false)} />`;
  if (!rows.size && !problem) return html`<${Nothing} api=${api} full=${full} onAdd=${() => setAdding(true)} />${dialog}`;
  const wrong = counts.failed + counts.unhealthy + counts.waiting + counts.reconciling;

  return html`
    <section class="applications" aria-label="Applications">
      <div class="overview">
        <div class="headline"><h1>${plural(rows.size, "application")}</h1>
          <p>${problem && !rows.size ? "The server does not say how they are" : wrong ? html`<strong>${number(wrong)}</strong> not as ${wrong === 1 ? "it" : "they"} should be` : "All is as it should be"}</p></div>
        <div class="bar" aria-hidden="true">${STATES.filter((one) => counts[one]).map((one) => html`<i key=${one} class=${one} style=${{ flexGrow: counts[one] }}></i>`)}</div>
        <div class="filters" role="group" aria-label="Only those that are">${STATES.map((one) => html`
          <button key=${one} class="filter" aria-pressed=${only === one} disabled=${!counts[one] && only !== one} onClick=${() => setOnly(only === one ? "" : one)}>
            <${Shape} state=${one} size="14" />${TITLES[one]} <b>${number(counts[one])}</b></button>`)}</div>
      </div>
      <div class="tools">
        <label class="search"><${Icon} name="search" /><input type="search" placeholder="Search applications" aria-label="Search applications" value=${text} onInput=${(event) => setText(event.target.value)} /><kbd>/</kbd></label>
        <select aria-label="Order" value=${order} onChange=${(event) => setOrder(event.target.value)}>${Object.entries(ORDERS).map(([key, [title]]) => html`<option key=${key} value=${key}>${title}</option>`)}</select>
        ${full && html`<button class="primary" data-key="n" onClick=${() => setAdding(true)}><${Icon} name="plus" />New<span class="wide-only"> application</span></button>`}
      </div>
      <p class="sr" role="status">${plural(shown.length, "application")} shown</p>
      ${shown.length ? html`<${Rows} rows=${shown} />` : html`<div class="none"><p>No application fits ${only ? html`<b>${TITLES[only]}</b>` : ""} ${text ? html`“${text}”` : ""}.</p>
        <button onClick=${() => { setText(""); setOnly(""); }}>Show all</button></div>`}
    </section>${dialog}`;
}

function Rows({ rows }) {
  const box = useRef(null);
  const now = useNow();
  const [sight, setSight] = useState({ top: 0, height: 800 });
  const [tall, setTall] = useState(64);
  useEffect(() => {
    const element = box.current;
    const look = () => {
      setSight({ top: element.scrollTop, height: element.clientHeight, scrolls: element.scrollHeight > element.clientHeight });
      setTall(element.clientWidth < 640 ? 84 : 64);
    };
    look();
    element.addEventListener("scroll", look, { passive: true });
    const watcher = new ResizeObserver(look);
    watcher.observe(element);
    return () => { element.removeEventListener("scroll", look); watcher.disconnect(); };
  }, []);
  const first = Math.max(0, Math.floor(sight.top / tall) - 6);
  const last = Math.min(rows.length, Math.ceil((sight.top + sight.height) / tall) + 6);
  const move = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const links = [...box.current.querySelectorAll(".row a")];
    const here = links.indexOf(document.activeElement);
    const next = links[here < 0 ? 0 : here + step];
    if (next) { event.preventDefault(); next.focus(); }
  };
  return html`
    <div class="table ${sight.scrolls ? "scrolls" : ""}" role="table" aria-label="Applications" aria-rowcount=${rows.length + 1}>
      <div class="head" role="row"><span role="columnheader">Status</span><span role="columnheader">Application</span><span role="columnheader">Running</span><span role="columnheader">Version</span><span role="columnheader">Why</span></div>
      <div class="rows" style=${{ flex: `0 1 ${rows.length * tall}px` }} ref=${box} onKeyDown=${move} role="rowgroup">
        <div class="canvas" style=${{ height: `${rows.length * tall}px` }} role="presentation">${rows.slice(first, last).map((row, index) => html`
          <${Row} key=${row.name} row=${row} now=${now} top=${(first + index) * tall} tall=${tall} position=${first + index + 2} />`)}</div>
      </div>
    </div>`;
}

function Row({ row, now, top, tall, position }) {
  const waits = row.status !== "deployed" && row.status !== "undeployed";
  const next = waits && row.next_try > now ? `next try in ${duration(row.next_try - now)}` : "";
  return html`<div class="row" role="row" aria-rowindex=${position} style=${{ transform: `translateY(${top}px)`, height: `${tall}px` }}>
    <span role="cell" class="state"><${Badge} state=${row.status} /></span>
    <span role="cell" class="name"><a class="open" href=${`#/applications/${encodeURIComponent(row.name)}`} title=${waits ? `${row.name}\n${row.error || row.problem || row.message}` : row.name}>${row.name}</a>${row.description && html`<small title=${row.description}>${row.description}</small>`}</span>
    <span role="cell" class="running">${row.scalers ? html`<${Meter} running=${row.running || 0} wanted=${row.wanted || 0} />` : html`<span class="dim">–</span>`}</span>
    <span role="cell" class="version"><span class="text ${row.deployed ? "" : "dim"}" title=${row.deployed || ""}>${row.deployed || "none deployed"}</span>${row.version !== row.deployed && html`<small class="newer" title=${row.version}>${row.version} stored</small>`}</span>
    <span role="cell" class="why">${waits && html`<span class="reason ${row.error ? "bad" : ""}">${row.error ? cause(row.error) : row.problem || row.message}</span><small>${row.since ? `for ${duration(now - row.since)}` : ""}${row.since && next ? ", " : ""}${next}</small>`}</span>
  </div>`;
}

export const Meter = ({ running, wanted }) => html`
  <span class="meter" title=${`${running} of ${wanted} run`}><i class=${running >= wanted ? "ok" : ""}><b style=${{ width: `${wanted ? Math.min(100, (100 * running) / wanted) : 100}%` }}></b></i><span>${running}/${wanted}</span></span>`;

const Nothing = ({ api, full, onAdd }) => html`
  <section class="empty">
    <img src="favicon.svg" alt="" width="56" height="56" />
    <h1>No applications yet</h1>
    <p>An application is a manifest: which components and providers are to run, how many, where, and what links them. wadm keeps it so.</p>
    <ol>
      ${full && html`<li><b>Try the example</b><p>See the plan before anything happens.</p><button class="primary" data-key="n" onClick=${onAdd}><${Icon} name="plus" />New application</button></li>`}
      <li><b>Or from a terminal</b><${Command} text=${`wadm deploy hello.yaml --wait${api.name === "default" ? "" : ` --lattice ${api.name}`}`} /></li>
      <li><b>Something has to run it</b><p>Look whether <a href="#/hosts">hosts</a> are there. For a try, <code>wadm up --hosts 3</code> simulates some.</p></li>
    </ol>
  </section>`;
