// All applications of a lattice: what is wrong first, thousands of rows of which only those in sight are drawn.

import { html, useEffect, useMemo, useState } from "./vendor/preact.js";
import { cause, duration, GRAVITY, number, plural, STATES, TITLES } from "./format.js";
import { Ago, Badge, Command, Icon, Loading, Meter, Shape, useRows } from "./parts.js";
import { to, toApplication, useQuery, useWords } from "./route.js";
import { Spark, useLately } from "./spark.js";
import { Table } from "./table.js";

const byName = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
const share = (row) => (row.wanted ? (row.running || 0) / row.wanted : 2);
const ORDERS = {
  problems: (a, b) => GRAVITY[a.status] - GRAVITY[b.status] || (a.since || 9e9) - (b.since || 9e9),
  name: byName,
  running: (a, b) => share(a) - share(b) || (b.wanted || 0) - (a.wanted || 0),
  version: (a, b) => (a.deployed || "").localeCompare(b.deployed || "", "en", { numeric: true }),
  changed: (a, b) => (b.changed || 0) - (a.changed || 0),
};
const COLUMNS = [["problems", "Status"], ["name", "Application"], ["running", "Running"], ["version", "Version"], ["changed", "Changed"]];
const columns = (lately) => [...COLUMNS.slice(0, 3), ["", lately?.hour ? "Last hour" : "Last day"], ...COLUMNS.slice(3), ["", "Why"]];

/** Whether the words are found in a row; `image:x` and the like are left to the palette. */
const has = (row, words) => {
  const text = `${row.name} ${row.description || ""} ${row.deployed || ""} ${row.version} ${row.problem || ""} ${row.error || ""}`.toLowerCase();
  return words.every((word) => text.includes(word));
};

/** What is wrong with an application, in one sentence. */
export const why = (row) => (row.status === "deployed" || row.status === "undeployed" ? "" : row.error ? cause(row.error) : row.problem || row.message);

export function Applications({ api, full, at }) {
  const { rows, problem } = useRows(api.name, "applications", "name");
  const [text, setText] = useQuery(at, "q");
  const [only, toggle, setOnly] = useWords(at, "status");
  const [sort, setSort] = useQuery(at, "sort", "problems");
  const [picked, pick, setPicked] = useWords(at, "sel");
  const lately = useLately(api);
  const [Editor, Bulk] = [useLater("./editor.js"), useLater("./bulk.js")];
  const [fresh, setFresh] = useQuery(at, "new");
  const [bulk, setDialog] = useState("");
  const dialog = fresh && full ? "new" : bulk;

  const counts = useMemo(() => {
    const found = Object.fromEntries(STATES.map((one) => [one, 0]));
    for (const row of rows?.values() || []) found[row.status] += 1;
    return found;
  }, [rows]);
  const shown = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const order = ORDERS[sort.replace("-", "")] || ORDERS.problems;
    const sign = sort.startsWith("-") ? -1 : 1;
    const fits = (row) => (!only.size || only.has(row.status)) && has(row, words);
    return rows ? [...rows.values()].filter(fits).sort((a, b) => sign * order(a, b) || byName(a, b)) : [];
  }, [rows, text, [...only].join(), sort]);
  const drawn = useMemo(() => (row, now) => cells(row, now, lately), [lately]);
  const chosen = useMemo(() => (rows ? [...picked].filter((name) => rows.has(name)) : []), [rows, [...picked].join()]);

  if (!rows) return html`<${Loading} what="the applications" />`;
  const close = () => { setDialog(""); setFresh(""); };
  const dialogs = html`${dialog === "new" && Editor && html`<${Editor} api=${api} onClose=${close} />`}
    ${["deploy", "undeploy", "delete"].includes(dialog) && Bulk && html`<${Bulk} api=${api} what=${dialog} rows=${chosen.map((name) => rows.get(name))} onClose=${close} />`}`;
  if (!rows.size && !problem) return html`<${Nothing} api=${api} full=${full} onAdd=${() => setFresh("1")} />${dialogs}`;
  const wrong = counts.failed + counts.unhealthy + counts.waiting + counts.reconciling;
  const order = (key) => setSort(sort === key ? `-${key}` : key);

  return html`
    <section class="applications" aria-label="Applications">
      <div class="overview">
        <div class="headline"><h1>${plural(rows.size, "application")}</h1>
          <p>${problem && !rows.size ? "The server does not say how they are" : wrong ? html`<strong>${number(wrong)}</strong> not as ${wrong === 1 ? "it" : "they"} should be` : "All is as it should be"}</p></div>
        <div class="bar" aria-hidden="true">${STATES.filter((one) => counts[one]).map((one) => html`<i key=${one} class=${one} style=${{ flexGrow: counts[one] }}></i>`)}</div>
        <div class="filters" role="group" aria-label="Only those that are">${STATES.map((one) => html`
          <button key=${one} class="filter" aria-pressed=${only.has(one)} disabled=${!counts[one] && !only.has(one)} onClick=${() => toggle(one)}>
            <${Shape} state=${one} size="14" />${TITLES[one]} <b>${number(counts[one])}</b></button>`)}</div>
      </div>
      <div class="tools">
        <label class="search"><${Icon} name="search" /><input type="search" placeholder="Search applications" aria-label="Search applications" value=${text} onInput=${(event) => setText(event.target.value)} /><kbd>/</kbd></label>
        <select class="narrow-only" aria-label="Order" value=${sort} onChange=${(event) => setSort(event.target.value)}>${COLUMNS.map(([key, title]) => html`<option key=${key} value=${key}>${key === "problems" ? "Problems first" : `By ${title.toLowerCase()}`}</option>`)}</select>
        ${full && html`<button class="primary" data-key="n" onClick=${() => setFresh("1")}><${Icon} name="plus" />New<span class="wide-only"> application</span></button>`}
      </div>
      ${chosen.length > 0 && html`<div class="bulk" role="group" aria-label="Selected applications"><b>${number(chosen.length)} selected</b>
        <button onClick=${() => setDialog("deploy")}>Deploy the newest …</button><button onClick=${() => setDialog("undeploy")}>Undeploy …</button><button class="danger" onClick=${() => setDialog("delete")}>Delete …</button>
        <span class="space"></span><button class="quiet" onClick=${() => setPicked(shown.map((row) => row.name))}>Select all ${number(shown.length)} shown</button><button class="quiet" onClick=${() => setPicked([])}>Select none</button></div>`}
      <p class="sr" role="status">${plural(shown.length, "application")} shown</p>
      ${shown.length ? html`<${Table} label="Applications" rows=${shown} keyOf="name" columns=${columns(lately)} cells=${drawn} sort=${sort} order=${order} picked=${full ? picked : null} pick=${pick} narrow="76" />` : html`<div class="none"><p>No application fits ${[...only].map((one) => html`<b key=${one}>${TITLES[one]}</b> `)} ${text ? html`“${text}”` : ""}.</p>
        <button onClick=${() => { setText(""); setOnly([]); }}>Show all</button></div>`}
    </section>${dialogs}`;
}

/** Something of another file that is loaded once the page has nothing else to do. */
const later = {};
function useLater(file) {
  const [, again] = useState(0);
  useEffect(() => {
    if (later[file]) return;
    import(file).then((found) => { later[file] = found.default; again((n) => n + 1); }, () => {});
  }, []);
  return later[file];
}

/** The cells of a row. */
function cells(row, now, lately) {
  const reason = why(row);
  const next = reason && row.next_try > now ? `next try in ${duration(row.next_try - now)}` : "";
  const since = reason && row.since ? `for ${duration(now - row.since)}` : "";
  return html`
    <span role="cell" class="state"><${Badge} state=${row.status} /></span>
    <span role="cell" class="name"><a class="open" href=${toApplication(row.name)} title=${reason ? `${row.name}\n${row.error || row.problem || row.message}` : row.name}>${row.name}</a></span>
    <span role="cell" class="running">${row.scalers ? html`<${Meter} running=${row.running || 0} wanted=${row.wanted || 0} />` : html`<span class="dim">–</span>`}</span>
    <span role="cell" class="lately">${lately && html`<${Spark} turns=${lately.applications[row.name]} slots=${lately.slots} hour=${lately.hour} />`}</span>
    <span role="cell" class="version"><span class="text ${row.deployed ? "" : "dim"}" title=${row.deployed || ""}>${row.deployed || "none"}</span>${row.version !== row.deployed && html`<small class="newer" title=${`${row.version} is stored`}>${row.version} stored</small>`}</span>
    <span role="cell" class="changed">${row.changed ? html`<${Ago} time=${row.changed} now=${now} />` : html`<span class="dim">–</span>`}</span>
    <span role="cell" class="why">${reason ? html`<span class="reason ${row.error ? "bad" : ""}" title=${row.error || row.problem || row.message}>${reason}</span><small>${[since, next].filter(Boolean).join(", ")}</small>`
      : html`<span class="reason dim" title=${row.description || ""}>${row.description || ""}</span>`}</span>`;
}

const Nothing = ({ api, full, onAdd }) => html`
  <section class="empty">
    <img src="favicon.svg" alt="" width="56" height="56" />
    <h1>No applications yet</h1>
    <p>An application is a manifest: which components and providers are to run, how many, where, and what links them. wadm keeps it so.</p>
    <ol>
      ${full && html`<li><b>Try the example</b><p>See the plan before anything happens.</p><button class="primary" data-key="n" onClick=${onAdd}><${Icon} name="plus" />New application</button></li>`}
      <li><b>Or from a terminal</b><${Command} text=${`wadm deploy hello.yaml --wait${api.name === "default" ? "" : ` --lattice ${api.name}`}`} /></li>
      <li><b>Something has to run it</b><p>Look whether <a href=${to({ view: "hosts" })}>hosts</a> are there. For a try, <code>wadm up --hosts 3</code> simulates some.</p></li>
    </ol>
  </section>`;
