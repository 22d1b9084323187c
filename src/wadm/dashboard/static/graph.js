// An application as a picture: components and providers, and the links between them, from left to right.

import { html } from "./vendor/preact.js";
import { GRAVITY, image } from "./format.js";

const WIDE = 220;
const TALL = 72;
const ACROSS = 110;
const DOWN = 26;
const SMALLEST = 0.72;

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

/**
 * Columns by the longest way from a part that nobody links to, rows so that links cross little. A link that goes past
 * columns is given a place in each of them, so that it runs between the parts there and not behind them.
 */
export function layout({ parts, links }) {
  const column = columnsOf(parts, links);
  const columns = Array.from({ length: Math.max(...column.values()) + 1 }, () => []);
  const spots = new Map(parts.map((part) => [part.name, { part, tall: TALL }]));
  parts.forEach((part) => columns[column.get(part.name)].push(spots.get(part.name)));
  const ways = links.map((link) => {
    const way = [spots.get(link.from)];
    for (let x = column.get(link.from) + 1; x < column.get(link.to); x += 1) {
      const passing = { tall: 0, before: way[way.length - 1] };
      columns[x].push(passing);
      way.push(passing);
    }
    return [...way, spots.get(link.to)];
  });
  columns.forEach((spotsThere, x) => {
    const before = (spot) => (spot.part
      ? links.filter((link) => link.to === spot.part.name && column.get(link.from) < x).map((link) => ways[links.indexOf(link)].at(-2).row)
      : [spot.before.row]);
    const wish = new Map(spotsThere.map((spot) => {
      const rows = x ? before(spot) : [];
      return [spot, rows.length ? rows.reduce((a, b) => a + b, 0) / rows.length : 1e9];
    }));
    if (x) spotsThere.sort((a, b) => wish.get(a) - wish.get(b));
    spotsThere.forEach((spot, row) => { spot.row = row / spotsThere.length; });
  });
  const tall = (spotsThere) => spotsThere.reduce((sum, spot) => sum + spot.tall + DOWN, -DOWN);
  const height = Math.max(...columns.map(tall));
  columns.forEach((spotsThere, x) => {
    let top = (height - tall(spotsThere)) / 2;
    for (const spot of spotsThere) {
      Object.assign(spot, { x, left: x * (WIDE + ACROSS), top });
      top += spot.tall + DOWN;
    }
  });
  return { place: [...spots.values()], ways, width: columns.length * (WIDE + ACROSS) - ACROSS, height };
}

function columnsOf(parts, links) {
  const column = new Map(parts.map((part) => [part.name, 0]));
  for (let round = 0; round < parts.length; round += 1) {
    let moved = false;
    for (const link of links) {
      const next = column.get(link.from) + 1;
      if (link.from !== link.to && column.get(link.to) < next && next <= round + 1) { column.set(link.to, next); moved = true; }
    }
    if (!moved) break;
  }
  const used = [...new Set(column.values())].sort((a, b) => a - b);
  return new Map([...column].map(([name, at]) => [name, used.indexOf(at)]));
}

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

export function Graph({ picture, onPick }) {
  const { place, ways, width, height } = layout(picture);
  const words = `${picture.parts.map((part) => `${part.kind} ${part.name}: ${part.state}, ${part.running} of ${part.wanted}`).join("; ")}. Links: ${picture.links.map((link) => `${link.from} to ${link.to} for ${link.label}: ${link.state}`).join("; ") || "none"}.`;
  // What does not fit is made smaller as long as it can be read, and scrolls beyond that.
  return html`<div class="graph"><svg viewBox=${`-8 -12 ${width + 16} ${height + 24}`} style=${{ width: `${width + 16}px`, minWidth: `${Math.round((width + 16) * SMALLEST)}px` }} role="group" aria-label=${words}>
    <defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0.5L7.5 4L0 7.5z" /></marker></defs>
    ${picture.links.map((link, at) => html`<${Edge} key=${`${link.from} ${link.to} ${link.label}`} link=${link} way=${ways[at]} />`)}
    ${place.map(({ part, left, top }) => html`
      <a key=${part.name} class="node ${part.state} ${part.shared ? "shared" : ""}" href="#" role="button" aria-label=${`${part.kind} ${part.name}, ${part.state}, ${part.running} of ${part.wanted} run`} transform=${`translate(${left} ${top})`} onClick=${(event) => { event.preventDefault(); onPick(part.id); }}>
        <rect width=${WIDE} height=${TALL} rx=${part.kind === "provider" ? 4 : 14} class="box" />
        <rect width="5" height=${TALL - 24} x="10" y="12" rx="2.5" class="stripe" />
        <text x="26" y="24" class="kind">${part.kind}${part.shared ? ` of ${cut(part.shared, 16)}` : ""}</text>
        <text x="26" y="43" class="title">${cut(part.name, 20)}</text>
        <text x="26" y="60" class="image">${cut(image(part.image), 27)}</text>
        ${!part.shared && part.wanted > 0 && html`<text x=${WIDE - 12} y="24" class="count">${part.running}/${part.wanted}</text>`}
        <title>${part.id}${"\n"}${part.image}</title>
      </a>`)}
  </svg></div>`;
}

function Edge({ link, way }) {
  const points = way.map((spot) => spot.top + spot.tall / 2);
  let at = [way[0].left + WIDE, points[0]];
  let path = `M${at}`;
  way.slice(1).forEach((spot, index) => {
    const next = [spot.left - (spot.part ? 2 : 0), points[index + 1]];
    const bend = next[0] <= at[0] ? 70 : Math.max(40, (next[0] - at[0]) / 2);
    path += ` C${at[0] + bend} ${at[1]}, ${next[0] - bend} ${next[1]}, ${next}`;
    at = next;
    if (!spot.part) { at = [spot.left + WIDE, next[1]]; path += ` H${at[0]}`; }
  });
  const [first, second] = way;
  const x = (first.left + WIDE + second.left) / 2;
  return html`<g class="edge ${link.state}"><path d=${path} marker-end="url(#tip)" /><text x=${x} y=${(points[0] + points[1]) / 2 + 4}>${cut(link.label, 17)}</text><title>${`${link.label} ${link.interfaces}: ${link.state}`}</title></g>`;
}
