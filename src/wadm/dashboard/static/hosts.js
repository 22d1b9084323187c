// The hosts of a lattice: their labels, what runs on them, and which of them would fit a requirement.

import { html, useMemo, useState } from "./vendor/preact.js";
import { useRows } from "./applications.js";
import { ago, hue, number, plural } from "./format.js";
import { Command, Icon, Loading, Shape, useNow } from "./parts.js";

const LATE = 45;
const SHOWN = 12;
const OWN = /^(hostcore\.|wasmcloud\.)/;

/** Read what was typed: `zone=east` are labels a host must have, other words are looked for in its names. */
export function wanted(text) {
  const labels = [];
  const words = [];
  for (const word of text.split(/[\s,]+/).filter(Boolean)) {
    const at = word.indexOf("=");
    if (at > 0) labels.push([word.slice(0, at), word.slice(at + 1)]);
    else words.push(word.toLowerCase());
  }
  return { labels, words };
}

export function fits(host, { labels, words }) {
  return labels.every(([key, value]) => host.labels[key] === value)
    && words.every((word) => {
      const text = [host.name, host.id, host.version, ...Object.entries(host.labels).map(([k, v]) => `${k}=${v}`),
        ...[...host.components, ...host.providers].flatMap((one) => [one.id, one.application || ""])];
      return text.some((part) => part.toLowerCase().includes(word));
    });
}

export function Hosts({ api, at, onLink }) {
  const state = useRows(api, "hosts", "id", onLink);
  const [text, setText] = useState(at.query.get("q") || "");
  const now = useNow(1000);
  const { rows } = state;
  const query = useMemo(() => wanted(text), [text]);
  const all = useMemo(() => [...(rows?.values() || [])].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1)), [state]);
  const shown = useMemo(() => all.filter((host) => fits(host, query)), [all, query]);
  if (!rows) return html`<${Loading} what="the hosts" />`;
  if (!rows.size) return html`<${Nothing} />`;
  const late = all.filter((host) => now - host.heard > LATE).length;
  const sum = (pick) => all.reduce((n, host) => n + pick(host), 0);
  const add = (label) => setText((before) => (before.split(/[\s,]+/).includes(label) ? before : `${before.trim()} ${label}`.trim()));

  return html`<section class="hosts" aria-label="Hosts">
    <div class="overview"><div class="headline"><h1>${plural(rows.size, "host")}</h1>
      <p>${late ? html`<strong>${number(late)}</strong> not heard for ${LATE} s` : "All heard within their time"} · ${plural(sum((host) => host.components.length), "component")} · ${plural(sum((host) => host.providers.length), "provider")}</p></div></div>
    <div class="tools"><label class="search"><${Icon} name="search" /><input type="search" aria-label="Requirement or name" placeholder="A requirement (zone=east tier=edge) or a name" value=${text} onInput=${(event) => setText(event.target.value)} /><kbd>/</kbd></label></div>
    <p class="matching" role="status">${text.trim() && (query.labels.length
      ? html`A spread with ${query.labels.map(([k, v]) => html`<code key=${k}>${k}: ${v}</code> `)} may use <b>${plural(shown.length, "host")}</b> of ${number(all.length)}.`
      : html`<b>${plural(shown.length, "host")}</b> of ${number(all.length)}.`)}</p>
    <div class="cards">${shown.map((host) => html`<${Host} key=${host.id} host=${host} late=${now - host.heard > LATE} heard=${ago(host.heard, now)} add=${add} />`)}</div>
    ${!shown.length && html`<div class="none"><p>No host has all of that.${query.labels.map(([key]) => html`<${Values} key=${key} hosts=${all} label=${key} add=${(one) => setText(one)} />`)}</p></div>`}
  </section>`;
}

/** Which values a label has, for somebody who typed one that no host has. */
function Values({ hosts, label, add }) {
  const found = new Map();
  hosts.forEach((host) => label in host.labels && found.set(host.labels[label], (found.get(host.labels[label]) || 0) + 1));
  if (!found.size) return html`<span> No host has a label <code>${label}</code>.</span>`;
  return html`<span> <code>${label}</code> is ${[...found].slice(0, 8).map(([value, count]) => html`<button key=${value} class="chip" onClick=${() => add(`${label}=${value}`)}>${value} <b>${count}</b></button>`)}.</span>`;
}

function Host({ host, late, heard, add }) {
  const [open, setOpen] = useState(false);
  const running = [...host.providers.map((one) => ({ ...one, provider: true })), ...host.components];
  const shown = open ? running : running.slice(0, SHOWN);
  const own = Object.entries(host.labels).filter(([key]) => !OWN.test(key)).sort();
  const given = Object.entries(host.labels).filter(([key]) => OWN.test(key)).sort();
  return html`<article class="host ${late ? "late" : ""}" aria-label=${`Host ${host.name}`}>
    <header><${Shape} state=${late ? "unhealthy" : "deployed"} size="14" /><div><h2>${host.name || host.id.slice(0, 8)}</h2><small title=${host.id}>${host.id.slice(0, 8)} · ${host.version}</small></div>
      <span class="heard" title="Last heartbeat or answer">${late ? "silent, " : ""}${heard}</span></header>
    <div class="labels">${own.map(([key, value]) => html`<button key=${key} class="chip" title="Look for this label" onClick=${() => add(`${key}=${value}`)}>${key}=${value}</button>`)}
      <span class="given" title=${given.map(([k, v]) => `${k}=${v}`).join("\n")}>${host.labels["hostcore.os"] || ""} ${host.labels["hostcore.arch"] || ""}${host.labels["wasmcloud.dev/simulated"] ? " · simulated" : ""}</span></div>
    ${running.length ? html`<ul class="runs">${shown.map((one) => html`<li key=${`${one.provider ? "p" : "c"}${one.id}`}>
        <i class="dot ${one.provider ? "square" : ""}" style=${{ background: one.application ? `hsl(${hue(one.application)} 55% 52%)` : "var(--dim)" }}></i>
        <span class="id" title=${`${one.id}\n${one.image}`}>${one.application ? html`<a href=${`#/applications/${encodeURIComponent(one.application)}`}>${one.id}</a>` : one.id}</span>
        <small>${one.provider ? `provider${one.health === "failed" ? ", failed" : ""}` : `up to ${one.count}`}</small></li>`)}</ul>
      ${running.length > SHOWN && html`<button class="quiet more" onClick=${() => setOpen(!open)}>${open ? "Show fewer" : `and ${running.length - SHOWN} more`}</button>`}`
    : html`<p class="idle">Nothing runs here</p>`}
  </article>`;
}

const Nothing = () => html`<section class="empty"><h1>No hosts</h1>
  <p>No wasmCloud host answers in this lattice. Applications wait until one does.</p>
  <ol><li><b>Start a host</b><${Command} text="wash up" /></li>
  <li><b>Or see how it looks with simulated ones</b><${Command} text="wadm up --hosts 3:zone=east" /></li></ol></section>`;
