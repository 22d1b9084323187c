// The hosts of a lattice: what runs where as a map, or as a list; and which of them would fit a requirement.

import { html, useMemo } from "./vendor/preact.js";
import { duration, number, plural } from "./format.js";
import { Ago, Command, Icon, Loading, Shape, useNow, useRows } from "./parts.js";
import { fits, isSilent, LATE, ownLabels, wanted } from "./labels.js";
import { Placement } from "./placement.js";
import { to, useQuery } from "./route.js";
import { Table } from "./table.js";

const byName = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1);
const load = (host) => host.components.length + host.providers.length;
const gravity = (host) => (host.lost ? 0 : isSilent(host) ? 1 : 2);
const ORDERS = {
  state: (a, b) => gravity(a) - gravity(b),
  name: byName,
  runs: (a, b) => load(b) - load(a),
  heard: (a, b) => a.heard - b.heard,
  uptime: (a, b) => a.uptime - b.uptime,
};
const COLUMNS = [["state", "State"], ["name", "Host"], ["", "Labels"], ["runs", "Runs"], ["uptime", "Up"], ["heard", "Heard"]];

export default function Hosts({ api, at }) {
  const { rows } = useRows(api.name, "hosts", "id");
  const [text, setText] = useQuery(at, "q");
  const [way, setWay] = useQuery(at, "as", "map");
  const [sort, setSort] = useQuery(at, "sort", "state");
  const now = useNow(5000);
  const query = useMemo(() => wanted(text), [text]);
  const all = useMemo(() => [...(rows?.values() || [])].sort(byName), [rows]);
  const shown = useMemo(() => {
    const order = ORDERS[sort.replace("-", "")] || ORDERS.state;
    const sign = sort.startsWith("-") ? -1 : 1;
    return all.filter((host) => fits(host, query)).sort((a, b) => sign * order(a, b) || byName(a, b));
  }, [all, query, sort]);
  if (!rows) return html`<${Loading} what="the hosts" />`;
  if (!rows.size) return html`<${Nothing} />`;
  const there = all.filter((host) => !host.lost);
  const late = there.filter((host) => now - host.heard > LATE).length;
  const lost = all.length - there.length;
  const sum = (pick) => there.reduce((n, host) => n + pick(host), 0);
  const order = (key) => setSort(sort === key ? `-${key}` : key);

  return html`<section class="hosts" aria-label="Hosts">
    <div class="overview"><div class="headline"><h1>${plural(there.length, "host")}</h1>
      <p>${lost > 0 && html`<strong class="bad">${number(lost)} lost</strong> · `}${late ? html`<strong>${number(late)}</strong> not heard for ${LATE} s` : "All heard within their time"} · ${plural(sum((host) => host.components.length), "component")} · ${plural(sum((host) => host.providers.length), "provider")}</p></div></div>
    <div class="tools"><label class="search"><${Icon} name="search" /><input type="search" aria-label="Requirement or name" placeholder="A requirement (zone=east tier=edge) or a name" value=${text} onInput=${(event) => setText(event.target.value)} /><kbd>/</kbd></label>
      <div class="ways" role="group" aria-label="Show as">${[["map", "Map"], ["list", "List"]].map(([key, title]) => html`<button key=${key} aria-pressed=${way === key} onClick=${() => setWay(key)}>${title}</button>`)}</div></div>
    ${text.trim() && html`<p class="matching" role="status">${query.labels.length
      ? html`A spread with ${query.labels.map(([k, v]) => html`<code key=${k}>${k}: ${v}</code> `)} may use <b>${plural(shown.length, "host")}</b> of ${number(all.length)}.`
      : html`<b>${plural(shown.length, "host")}</b> of ${number(all.length)}.`}</p>`}
    ${!shown.length ? html`<div class="none"><p>No host has all of that.${query.labels.map(([key]) => html`<${Values} key=${key} hosts=${all} label=${key} add=${setText} />`)}</p></div>`
    : way === "list" ? html`<${Table} label="Hosts" rows=${shown} keyOf="id" columns=${COLUMNS} cells=${cells} sort=${sort} order=${order} />`
    : html`<${Placement} api=${api} at=${at} hosts=${all} lit=${text.trim() ? new Set(shown.map((host) => host.id)) : null} />`}
  </section>`;
}

function cells(host, now) {
  const late = now - host.heard > LATE;
  return html`
    <span role="cell" class="state"><${Shape} state=${host.lost ? "failed" : late ? "unhealthy" : "deployed"} size="14" /> ${host.lost ? "lost" : late ? "silent" : "heard"}</span>
    <span role="cell" class="name"><a class="open" href=${to({ view: "hosts", name: host.id })} title=${host.id}>${host.name || host.id.slice(0, 8)}</a></span>
    <span role="cell" class="labels-in" title=${ownLabels(host).join("\n")}>${ownLabels(host).map((label) => html`<code key=${label}>${label}</code> `)}</span>
    <span role="cell" class="runs-in">${plural(host.components.length, "component")}, ${plural(host.providers.length, "provider")}</span>
    <span role="cell" class="uptime">${duration(host.uptime)}</span>
    <span role="cell" class="heard"><${Ago} time=${host.heard} now=${now} /></span>`;
}

/** Which values a label has, for somebody who typed one that no host has. */
function Values({ hosts, label, add }) {
  const found = new Map();
  hosts.forEach((host) => label in host.labels && found.set(host.labels[label], (found.get(host.labels[label]) || 0) + 1));
  if (!found.size) return html`<span> No host has a label <code>${label}</code>.</span>`;
  return html`<span> <code>${label}</code> is ${[...found].slice(0, 8).map(([value, count]) => html`<button key=${value} class="chip" onClick=${() => add(`${label}=${value}`)}>${value} <b>${count}</b></button>`)}.</span>`;
}

const Nothing = () => html`<section class="empty"><h1>No hosts</h1>
  <p>No wasmCloud host answers in this lattice. Applications wait until one does.</p>
  <ol><li><b>Start a host</b><${Command} text="wash up" /></li>
  <li><b>Or see how it looks with simulated ones</b><${Command} text="wadm up --hosts 3:zone=east" /></li></ol></section>`;
