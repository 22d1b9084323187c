// One host: what it is, what runs on it, and what happened there.

import { html, useEffect, useMemo, useState } from "./vendor/preact.js";
import { Charts } from "./charts.js";
import { duration, hue, plural, TITLES } from "./format.js";
import { givenLabels, isSilent, ownLabels } from "./labels.js";
import { Ago, gathered, Icon, Loading, Shape, Time, Timeline, useNow, useRows, useTopic } from "./parts.js";
import { to, toApplication } from "./route.js";

const EVENTS = 2000;

export default function Host({ api, at, who }) {
  const { rows } = useRows(api.name, "hosts", "id");
  const applications = useRows(api.name, "applications", "name").rows;
  const now = useNow();
  const [past, setPast] = useState([]);
  const live = useTopic(`${api.name}/events`, (before = [], event, data) => (event === "timeline" ? gathered(before, data) : before)) || [];
  const host = rows?.get(at.name);
  const name = host?.name;
  useEffect(() => {
    let wanted = true;
    api.events("", { limit: EVENTS }).then((reply) => wanted && setPast(gathered([], reply.events || [])), () => {});
    return () => { wanted = false; };
  }, [api.name]);
  const here = useMemo(() => gathered(past, live).filter((one) => one.host && (one.host === name || one.host.startsWith(`${name} (${at.name.slice(0, 8)}`) || one.host === at.name)), [past, live, name]);
  if (!rows) return html`<${Loading} what="the host" />`;
  if (!host) return html`<section class="empty"><h1>Host ${at.name.slice(0, 8)} is not there</h1><p>It has stopped, or was never in lattice <b>${api.name}</b>.</p><p><a href=${to({ view: "hosts" })}>All hosts</a></p></section>`;
  const silent = isSilent(host, now);
  const running = [...host.providers.map((one) => ({ ...one, provider: true })), ...host.components];
  return html`<section class="one-host">
    <a class="up" href=${to({ view: "hosts" })}><${Icon} name="back" size="13" />Hosts</a>
    <div class="title"><div><div class="names"><h1>${host.name || host.id.slice(0, 8)}</h1><span class="badge ${host.lost ? "failed" : silent ? "unhealthy" : "deployed"}"><${Shape} state=${host.lost ? "failed" : silent ? "unhealthy" : "deployed"} size="14" />${host.lost ? "Lost" : silent ? "Silent" : "Heard"}</span></div>
      <p class="facts">${host.lost ? "Given up; what ran here is started elsewhere. Last heard" : "Last heard"} <${Ago} time=${host.heard} now=${now} /> · up for ${duration(host.uptime)} · wasmCloud ${host.version}</p></div></div>
    <${Charts} ask=${(seconds) => api.hostTrend(at.name, seconds)} keys=${[api.name, at.name, running.length]} which=${["load"]} at=${at} longest=${Math.min(who.trends, 86400)} named=${true} only=${new Set(running.map((one) => one.application))} />
    <div class="columns"><div>
      <h2>${host.lost ? "What ran here" : "What runs here"} <small>${plural(host.components.length, "component")}, ${plural(host.providers.length, "provider")}</small></h2>
      ${running.length ? html`<ul class="card runs">${running.map((one) => { const state = applications?.get(one.application)?.status; return html`<li key=${`${one.provider ? "p" : "c"}${one.id}`}>
        <i class="dot ${one.provider ? "square" : ""}" style=${{ background: one.application ? `hsl(${hue(one.application)} 55% 52%)` : "var(--dim)" }}></i>
        <span class="id"><b>${one.id}</b><small class="image" title=${one.image}>${one.image}</small></span>
        <span class="of">${one.application ? html`<a href=${toApplication(one.application)}>${one.application}</a>${state ? html` <${Shape} state=${state} size="13" /><span class="sr">${TITLES[state]}</span>` : ""}` : html`<span class="dim">of no application here</span>`}</span>
        <small>${one.provider ? `provider${one.health === "failed" ? ", not healthy" : ""}` : `up to ${one.count}`}</small></li>`; })}</ul>` : html`<p class="none">Nothing runs here.</p>`}
      <h2>Labels</h2>
      <ul class="labels">${[...ownLabels(host), ...givenLabels(host)].map((label) => html`<li key=${label}><a class="chip" href=${to({ view: "hosts", query: new URLSearchParams({ q: label }) })} title="Hosts with this label">${label}</a></li>`)}</ul>
      <p class="dim">Id <code>${host.id}</code></p>
    </div><div>
      <h2>What happened here</h2>
      <div class="card slim"><${Timeline} entries=${here.slice(0, 100)} now=${now} named=${true} none="Nothing that the newest events of the lattice tell of." /></div>
      ${here.length > 0 && html`<p class="dim">The oldest shown is of <${Time} time=${here[Math.min(99, here.length - 1)].time} now=${now} />.</p>`}
    </div></div>
  </section>`;
}
