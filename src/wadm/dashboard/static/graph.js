// An application as a picture: components and providers, and the links between them, from left to right.

import { html } from "./vendor/preact.js";
import { image } from "./format.js";
import { GRAVITY } from "./format.js";

const WIDE = 220;
const TALL = 72;
const ACROSS = 110;
const DOWN = 26;

/** What a manifest says, with the states that scalers have. */
export function pictureOf(manifest, scalers) {
  const app = manifest.metadata.name;
  const parts = manifest.spec.components.map((part) => {
    const shared = part.properties.application;
    const id = shared ? idOf(shared.name, shared.component) : part.properties.id || idOf(app, part.name);
    const mine = scalers.filter((one) => one.name === id && one.kind !== "LinkScaler");
    return {
      name: part.name, id, kind: part.type === "capability" ? "provider" : "component",
      image: part.properties.image || "", shared: shared ? shared.name : "",
      state: worst(mine), wanted: total(mine, "wanted"), running: total(mine, "running"),
      traits: part.traits || [],
    };
  });
  const byName = new Map(parts.map((part) => [part.name, part]));
  const links = parts.flatMap((part) => part.traits.filter((trait) => trait.type === "link").map((trait) => {
    const said = trait.properties;
    const name = typeof said.target === "string" ? said.target : said.target?.name;
    const to = byName.get(name);
    if (!to) return null;
    const link = scalers.find((one) => one.kind === "LinkScaler" && one.name === `${part.id} -(${said.namespace}:${said.package})-> ${to.id}`);
    return { from: part.name, to: to.name, label: `${said.namespace}:${said.package}`, interfaces: (said.interfaces || []).join(", "), state: link ? link.type : "undeployed" };
  })).filter(Boolean);
  return { parts, links };
}

/** The id that wadm gives to a part that has none of its own. */
const idOf = (app, name) => [app, name].map((text) => text.toLowerCase().replace(/[^a-z0-9]/g, "_")).join("-");

const worst = (scalers) => scalers.map((one) => one.type).sort((a, b) => GRAVITY[a] - GRAVITY[b])[0] || "undeployed";
const total = (scalers, field) => scalers.reduce((sum, one) => sum + (one.explanation?.[field] || 0), 0);

/** Columns by the longest way from a part that nobody links to; rows so that links cross little. */
export function layout({ parts, links }) {
  const column = new Map(parts.map((part) => [part.name, 0]));
  for (let round = 0; round < parts.length; round += 1) {
    let moved = false;
    for (const link of links) {
      const next = Math.min(column.get(link.from) + 1, parts.length);
      if (link.from !== link.to && column.get(link.to) < next && next <= round + 1) { column.set(link.to, next); moved = true; }
    }
    if (!moved) break;
  }
  const columns = [];
  parts.forEach((part) => { const at = column.get(part.name); (columns[at] = columns[at] || []).push(part); });
  const filled = columns.filter(Boolean);
  const place = new Map();
  filled.forEach((inColumn, x) => {
    if (x > 0) {
      const wish = (part) => {
        const from = links.filter((link) => link.to === part.name && place.has(link.from)).map((link) => place.get(link.from).row);
        return from.length ? from.reduce((a, b) => a + b, 0) / from.length : 1e9;
      };
      inColumn.sort((a, b) => wish(a) - wish(b));
    }
    inColumn.forEach((part, row) => place.set(part.name, { x, row, part }));
  });
  const height = Math.max(...filled.map((one) => one.length)) * (TALL + DOWN) - DOWN;
  for (const spot of place.values()) {
    const used = filled[spot.x].length * (TALL + DOWN) - DOWN;
    spot.left = spot.x * (WIDE + ACROSS);
    spot.top = (height - used) / 2 + spot.row * (TALL + DOWN);
  }
  return { place, width: filled.length * (WIDE + ACROSS) - ACROSS, height };
}

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

export function Graph({ picture, onPick }) {
  const { place, width, height } = layout(picture);
  const words = `${picture.parts.map((part) => `${part.kind} ${part.name}: ${part.state}, ${part.running} of ${part.wanted}`).join("; ")}. Links: ${picture.links.map((link) => `${link.from} to ${link.to} for ${link.label}: ${link.state}`).join("; ") || "none"}.`;
  return html`<div class="graph"><svg viewBox=${`-8 -12 ${width + 16} ${height + 24}`} style=${{ width: `${width + 16}px`, minWidth: `${Math.min(width + 16, 560)}px` }} role="group" aria-label=${words}>
    <defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0.5L7.5 4L0 7.5z" /></marker></defs>
    ${picture.links.map((link) => html`<${Edge} key=${`${link.from} ${link.to} ${link.label}`} link=${link} from=${place.get(link.from)} to=${place.get(link.to)} />`)}
    ${[...place.values()].map(({ part, left, top }) => html`
      <a key=${part.name} class="node ${part.state} ${part.shared ? "shared" : ""}" href="#" role="button" aria-label=${`${part.kind} ${part.name}, ${part.state}, ${part.running} of ${part.wanted} run`} transform=${`translate(${left} ${top})`} onClick=${(event) => { event.preventDefault(); onPick(part.id); }}>
        <rect width=${WIDE} height=${TALL} rx=${part.kind === "provider" ? 4 : 14} class="box" />
        <rect width="5" height=${TALL - 24} x="10" y="12" rx="2.5" class="stripe" />
        <text x="26" y="24" class="kind">${part.kind}${part.shared ? ` of ${part.shared}` : ""}</text>
        <text x="26" y="43" class="title">${cut(part.name, 20)}</text>
        <text x="26" y="60" class="image">${cut(image(part.image), 27)}</text>
        ${!part.shared && html`<text x=${WIDE - 12} y="24" class="count">${part.running}/${part.wanted}</text>`}
        <title>${part.id}${"\n"}${part.image}</title>
      </a>`)}
  </svg></div>`;
}

function Edge({ link, from, to }) {
  const back = to.x <= from.x;
  const start = [from.left + WIDE, from.top + TALL / 2];
  const end = [to.left - 2, to.top + TALL / 2];
  const bend = back ? 70 : Math.max(40, (end[0] - start[0]) / 2);
  const path = `M${start} C${start[0] + bend} ${start[1]}, ${end[0] - bend} ${end[1]}, ${end}`;
  return html`<g class="edge ${link.state}"><path d=${path} marker-end="url(#tip)" /><text x=${(start[0] + end[0]) / 2} y=${(start[1] + end[1]) / 2 + 4}>${link.label}</text><title>${`${link.label} ${link.interfaces}: ${link.state}`}</title></g>`;
}
