// All links of a lattice as one map, and the configurations that they use.

import { html, useMemo } from "./vendor/preact.js";
import { plural, yaml } from "./format.js";
import { Graph } from "./graph.js";
import { Icon, Loading, Trouble, useAsked, useRows } from "./parts.js";
import { to, toApplication, useQuery } from "./route.js";
import { Table } from "./table.js";

const COLUMNS = [["from", "From"], ["to", "To"], ["iface", "Interface"], ["", "Configurations"]];
const ORDERS = { from: (a, b) => (a.source_id < b.source_id ? -1 : 1), to: (a, b) => (a.target < b.target ? -1 : 1), iface: (a, b) => (a.wit < b.wit ? -1 : 1) };

export default function Links({ api, at }) {
  return at.name ? html`<${Config} api=${api} name=${at.name} />` : html`<${All} api=${api} at=${at} />`;
}

/** Where each part runs, by its id: from what the hosts say. */
function whereOf(hosts) {
  const found = new Map();
  for (const host of hosts?.values() || []) {
    if (host.lost) continue;
    for (const [one, kind] of [...host.components.map((c) => [c, "component"]), ...host.providers.map((p) => [p, "provider"])]) {
      if (!found.has(one.id)) found.set(one.id, { kind, image: one.image, application: one.application, instances: [] });
      found.get(one.id).instances.push({ host: host.name, host_id: host.id, count: one.count || 0, health: one.health });
    }
  }
  return found;
}

function All({ api, at }) {
  const [links, error, again] = useAsked(api.links, [api.name]);
  const hosts = useRows(api.name, "hosts", "id").rows;
  const applications = useRows(api.name, "applications", "name").rows;
  const [text, setText] = useQuery(at, "q");
  const [sort, setSort] = useQuery(at, "sort", "from");
  const where = useMemo(() => whereOf(hosts), [hosts]);
  const shown = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = (links || []).map((link) => ({ ...link, wit: `${link.wit_namespace}:${link.wit_package}`, key: [link.source_id, link.wit_namespace, link.wit_package, link.name, link.target].join(" ") }));
    const order = ORDERS[sort.replace("-", "")] || ORDERS.from;
    return rows.filter((one) => words.every((word) => `${one.key} ${one.interfaces.join(" ")} ${one.source_config.join(" ")} ${one.target_config.join(" ")}`.toLowerCase().includes(word)))
      .sort((a, b) => (sort.startsWith("-") ? -1 : 1) * order(a, b));
  }, [links, text, sort]);
  const picture = useMemo(() => {
    const parts = new Map();
    const part = (id) => {
      const found = where.get(id);
      if (!parts.has(id)) parts.set(id, { name: id, id, title: id, kind: found?.kind || "not running", image: found?.image || "", shared: "", wanted: 0, running: found?.instances.length || 0,
        state: found ? applications?.get(found.application)?.status || "deployed" : "undeployed", instances: found?.instances || [] });
    };
    shown.forEach((link) => { part(link.source_id); part(link.target); });
    return { parts: [...parts.values()], links: shown.map((link) => ({ from: link.source_id, to: link.target, label: link.wit, interfaces: link.interfaces.join(", "), state: where.has(link.source_id) && where.has(link.target) ? "deployed" : "waiting" })) };
  }, [shown, where, applications]);
  if (!links && error?.status === 404) return html`<section class="empty"><h1>No links</h1><p>${error.message}.</p><p><button onClick=${again}>Ask again</button></p></section>`;
  if (!links) return error ? html`<${Trouble} error=${error} />` : html`<${Loading} what="the links" />`;
  const cells = (link) => html`
    <span role="cell" class="name"><a class="open" href=${where.get(link.source_id)?.application ? toApplication(where.get(link.source_id).application) : to({ view: "links", query: new URLSearchParams({ q: link.source_id }) })} title=${link.source_id}>${link.source_id}</a></span>
    <span role="cell" class="name" title=${link.target}>${link.target}</span>
    <span role="cell" title=${link.interfaces.join(", ")}>${link.wit} <small>${link.interfaces.join(", ")}${link.name === "default" ? "" : ` (${link.name})`}</small></span>
    <span role="cell" class="labels-in">${[...link.source_config, ...link.target_config].map((one) => html`<a key=${one} href=${to({ view: "links", name: one })}><code>${one}</code></a> `)}</span>`;
  return html`<section class="all-links" aria-label="Links">
    <div class="overview"><div class="headline"><h1>${plural(links.length, "link")}</h1><p>as the hosts of lattice ${api.name} hold them · <button class="text" onClick=${again}>read again</button></p></div></div>
    <${Trouble} error=${error} />
    ${links.length ? html`<div class="tools"><label class="search"><${Icon} name="search" /><input type="search" aria-label="Search links" placeholder="Search links, interfaces and configurations" value=${text} onInput=${(event) => setText(event.target.value)} /><kbd>/</kbd></label></div>
      <div class="card"><${Graph} picture=${picture} /></div>
      ${shown.length ? html`<${Table} label="Links" rows=${shown} keyOf="key" columns=${COLUMNS} cells=${cells} sort=${sort} order=${(key) => setSort(sort === key ? `-${key}` : key)} narrow="92" />` : html`<p class="none">No link fits “${text}”.</p>`}`
    : html`<p class="none">There is no link in this lattice.</p>`}
  </section>`;
}

/** One configuration: what it says, and which links use it. */
function Config({ api, name }) {
  const [config, error] = useAsked(() => api.config(name), [api.name, name]);
  const [links] = useAsked(() => api.links().catch(() => []), [api.name]);
  const users = (links || []).filter((one) => one.source_config.includes(name) || one.target_config.includes(name));
  return html`<section class="one-config">
    <a class="up" href=${to({ view: "links" })}><${Icon} name="back" size="13" />Links</a>
    <div class="title"><div><div class="names"><h1>${name}</h1></div><p class="facts">A configuration of lattice ${api.name}</p></div></div>
    ${config ? html`<pre class="source" tabindex="0">${Object.keys(config).length ? yaml(config) : "It says nothing."}</pre>` : error ? html`<${Trouble} error=${error} />` : html`<${Loading} what="the configuration" />`}
    <h2>Used by</h2>
    ${users.length ? html`<ul class="configs">${users.map((one) => html`<li key=${`${one.source_id} ${one.wit_package} ${one.name}`}><b>${one.source_id}</b> → ${one.target} <span>${one.wit_namespace}:${one.wit_package}, at the ${one.source_config.includes(name) ? "source" : "target"}</span></li>`)}</ul>` : html`<p class="none">${links ? "No link uses it; a component may." : "…"}</p>`}
  </section>`;
}
