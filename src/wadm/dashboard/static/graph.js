// Components and providers, and the links between them, as a picture from left to right: of an application, or of all
// of a lattice. One can move it, zoom, search, and open a part to see its instances on each host.

import { html, useEffect, useMemo, useRef, useState } from "./vendor/preact.js";
import { GRAVITY, image, plural } from "./format.js";
import { Icon } from "./parts.js";
import { to, toApplication } from "./route.js";

const WIDE = 220;
const TALL = 72;
const LINE = 18; // of an instance
const MOST_LINES = 8;
const FEW = 10; // links whose labels are shown without being pointed at
const LARGEST = 2;
const NARROW = 560; // below, layers are stacked

/** What a manifest says, with the states that scalers have; `applications` are the rows of the lattice. */
export function pictureOf(manifest, scalers, applications, instances) {
  const app = manifest.metadata.name;
  const parts = manifest.spec.components.map((part) => {
    const shared = part.properties.application;
    const id = shared ? idOf(shared.name, shared.component) : part.properties.id || idOf(app, part.name);
    const mine = scalers.filter((one) => one.name === id && one.kind !== "LinkScaler");
    return {
      name: part.name, id, kind: part.type === "capability" ? "provider" : "component",
      image: part.properties.image || "", shared: shared ? shared.name : "",
      // What is shared is another application's: how it is, that one knows.
      state: shared ? applications?.get(shared.name)?.status || "undeployed" : worst(mine),
      wanted: total(mine, "wanted"), running: total(mine, "running"),
      instances: instances?.get(id) || [], traits: part.traits || [],
    };
  });
  const byName = new Map(parts.map((part) => [part.name, part]));
  const links = parts.flatMap((part) => part.traits.filter((trait) => trait.type === "link").map((trait) => {
    const said = trait.properties;
    const name = typeof said.target === "string" ? said.target : said.target?.name;
    const target = byName.get(name);
    if (!target) return null;
    const link = scalers.find((one) => one.kind === "LinkScaler" && one.name === `${part.id} -(${said.namespace}:${said.package})-> ${target.id}`);
    return { from: part.name, to: target.name, label: `${said.namespace}:${said.package}`, interfaces: (said.interfaces || []).join(", "), state: link ? link.type : "undeployed" };
  })).filter(Boolean);
  return { parts, links };
}

/** The id that wadm gives to a part that has none of its own. */
const idOf = (app, name) => [app, name].map((text) => text.toLowerCase().replace(/[^a-z0-9]/g, "_")).join("-");

const worst = (scalers) => scalers.map((one) => one.type).sort((a, b) => GRAVITY[a] - GRAVITY[b])[0] || "undeployed";
const total = (scalers, field) => scalers.reduce((sum, one) => sum + (one.explanation?.[field] || 0), 0);

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const tallOf = (part, open) => TALL + (open ? Math.min(MOST_LINES + 1, Math.max(1, part.instances.length)) * LINE + 8 : 0);

/** Where everything is: parts in layers from left to right, on a narrow screen from above, links between them round the parts. */
function place(dagre, { parts, links }, opened, labelled, narrow) {
  const graph = new dagre.Graph({ multigraph: true });
  graph.setGraph({ rankdir: narrow ? "TB" : "LR", nodesep: 22, ranksep: labelled ? 30 : 70, edgesep: 16, marginx: 12, marginy: 12 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const part of parts) graph.setNode(part.name, { width: WIDE, height: tallOf(part, opened.has(part.name)) });
  links.forEach((link, at) => graph.setEdge(link.from, link.to, labelled ? { width: cut(link.label, 24).length * 7 + 16, height: 18, labelpos: "c" } : {}, String(at)));
  dagre.layout(graph);
  const { width = 0, height = 0 } = graph.graph();
  return {
    width, height,
    spots: parts.map((part) => { const { x, y, height: tall } = graph.node(part.name); return { part, left: x - WIDE / 2, top: y - tall / 2, tall }; }),
    ways: links.map((link, at) => graph.edge(link.from, link.to, String(at))),
  };
}

/** A smooth line through points. */
function curve(points) {
  const [first, ...rest] = points;
  let path = `M${first.x} ${first.y}`;
  for (let n = 0; n < rest.length - 1; n += 1) {
    const middle = { x: (rest[n].x + rest[n + 1].x) / 2, y: (rest[n].y + rest[n + 1].y) / 2 };
    path += ` Q${rest[n].x} ${rest[n].y} ${middle.x} ${middle.y}`;
  }
  const end = rest[rest.length - 1];
  return `${path} L${end.x} ${end.y}`;
}

export function Graph({ picture, onPick, tall = 460 }) {
  const box = useRef(null);
  const [dagre, setDagre] = useState(null);
  const [width, setWidth] = useState(0);
  const [view, setView] = useState(null); // { x, y, zoom }; null: all of it
  const [opened, setOpened] = useState(new Set());
  const [text, setText] = useState("");
  const [over, setOver] = useState("");
  const drag = useRef(null);
  useEffect(() => { import("./vendor/dagre.js").then(setDagre, () => {}); }, []);
  useEffect(() => {
    const element = box.current;
    const watcher = new ResizeObserver(() => setWidth(element.clientWidth));
    watcher.observe(element);
    // A wheel scrolls the page; with Ctrl, as browsers have it, it zooms.
    const wheel = (event) => { if (event.ctrlKey || event.metaKey) { event.preventDefault(); zoomBy(Math.exp(-event.deltaY / 300), event.offsetX, event.offsetY); } };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => { watcher.disconnect(); element.removeEventListener("wheel", wheel); };
  }, []);
  const labelled = picture.links.length <= FEW;
  const shape = `${picture.parts.map((part) => `${part.name}${opened.has(part.name) ? part.instances.length : ""}`).join()}|${picture.links.map((link) => `${link.from}>${link.to}`).join()}`;
  const narrow = width > 0 && width < NARROW;
  const at = useMemo(() => dagre && place(dagre, picture, opened, labelled, narrow), [dagre, shape, narrow]);
  const words = `${picture.parts.length > 30 ? plural(picture.parts.length, "part") : picture.parts.map((part) => `${part.kind} ${part.name}: ${part.state}, ${part.running} of ${part.wanted}`).join("; ")}. Links: ${picture.links.length > 30 ? picture.links.length : picture.links.map((link) => `${link.from} to ${link.to} for ${link.label}: ${link.state}`).join("; ") || "none"}.`;
  const all = at && width ? Math.min(1, (width - 8) / at.width, tall / at.height) : 1;
  const high = at ? Math.min(tall, Math.max(110, at.height * all)) : 120;
  const whole = at && { zoom: all, x: (width - at.width * all) / 2, y: (high - at.height * all) / 2 };
  const now = view || whole;
  const state = useRef({});
  state.current = { now, width, high };
  function zoomBy(by, x, y) {
    const { now: before, width: wide, high: deep } = state.current;
    if (!before) return;
    const zoom = Math.max(0.05, Math.min(LARGEST, before.zoom * by));
    const [px, py] = [x ?? wide / 2, y ?? deep / 2];
    setView({ zoom, x: px - ((px - before.x) * zoom) / before.zoom, y: py - ((py - before.y) * zoom) / before.zoom });
  }
  const down = (event) => { if (event.button === 0 && !event.target.closest("a, button")) { drag.current = { x: event.clientX, y: event.clientY, from: now }; box.current.setPointerCapture(event.pointerId); } };
  const moved = (event) => { const one = drag.current; if (one) setView({ ...one.from, x: one.from.x + event.clientX - one.x, y: one.from.y + event.clientY - one.y }); };
  const up = () => { drag.current = null; };
  const sought = text.trim().toLowerCase();
  const found = sought && at ? at.spots.filter(({ part }) => `${part.name} ${part.id} ${part.image}`.toLowerCase().includes(sought)) : [];
  useEffect(() => {
    if (!found.length) return;
    const [spot] = found;
    const zoom = Math.max(now.zoom, 0.8);
    setView({ zoom, x: width / 2 - (spot.left + WIDE / 2) * zoom, y: high / 2 - (spot.top + spot.tall / 2) * zoom });
  }, [sought]);
  const key = (event) => {
    if (event.target !== event.currentTarget) return;
    const by = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
    if (by) { event.preventDefault(); setView({ ...now, x: now.x + by[0], y: now.y + by[1] }); }
    else if (event.key === "+" || event.key === "-") zoomBy(event.key === "+" ? 1.25 : 0.8);
    else if (event.key === "0") setView(null);
  };
  const toggle = (part) => { const next = new Set(opened); if (!next.delete(part.name)) next.add(part.name); setOpened(next); onPick?.(part.id); };
  const many = picture.parts.length > 6;
  return html`<div class="graph">
    <div class="graph-tools">${many && html`<input type="search" class="small" aria-label="Search the picture" placeholder="Search the picture" value=${text} onInput=${(event) => setText(event.target.value)} />`}
      <span class="space"></span><button class="small" aria-label="Zoom out" title="Zoom out (-)" onClick=${() => zoomBy(0.8)}>−</button><button class="small" aria-label="Zoom in" title="Zoom in (+, or Ctrl and the wheel)" onClick=${() => zoomBy(1.25)}>+</button><button class="small" onClick=${() => setView(null)} title="Show all of it (0)">Fit</button></div>
    <div class="sheet" ref=${box} tabindex="0" role="group" aria-label=${words} style=${{ height: `${high}px` }} onPointerDown=${down} onPointerMove=${moved} onPointerUp=${up} onPointerCancel=${up} onKeyDown=${key}>
    ${at && width > 0 && html`<svg width=${width} height=${high}>
      <defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0.5L7.5 4L0 7.5z" /></marker></defs>
      <g transform=${`translate(${now.x} ${now.y}) scale(${now.zoom})`}>
        ${picture.links.map((link, n) => html`<${Edge} key=${`${link.from} ${link.to} ${link.label} ${n}`} link=${link} way=${at.ways[n]} labelled=${labelled || over === link.from || over === link.to} dim=${over && over !== link.from && over !== link.to} />`)}
        ${at.spots.map((spot) => html`<${Node} key=${spot.part.name} spot=${spot} part=${picture.parts.find((one) => one.name === spot.part.name) || spot.part} open=${opened.has(spot.part.name)} found=${found.includes(spot)} onOver=${setOver} onPick=${toggle} />`)}
      </g></svg>`}
    </div></div>`;
}

function Node({ spot, part, open, found, onOver, onPick }) {
  const shown = part.instances.slice(0, MOST_LINES);
  const label = `${part.kind} ${part.name}${part.shared ? ` of ${part.shared}` : ""}, ${part.state}, ${part.running} of ${part.wanted} run`;
  return html`<g class="node ${part.state} ${part.shared ? "shared" : ""} ${found ? "found" : ""}" transform=${`translate(${spot.left} ${spot.top})`} onPointerEnter=${() => onOver(part.name)} onPointerLeave=${() => onOver("")}>
    <a href=${part.shared ? toApplication(part.shared) : part.href || "#"} role=${part.shared || part.href ? undefined : "button"} aria-expanded=${part.shared || part.href ? undefined : open} aria-label=${label} onFocus=${() => onOver(part.name)} onBlur=${() => onOver("")} onClick=${(event) => { if (part.shared || part.href) return; event.preventDefault(); onPick(part); }}>
      <rect width=${WIDE} height=${spot.tall} rx=${part.kind === "provider" ? 4 : 14} class="box" />
      <rect width="5" height=${TALL - 24} x="10" y="12" rx="2.5" class="stripe" />
      <text x="26" y="24" class="kind">${part.kind}${part.shared ? ` of ${cut(part.shared, 16)}` : ""}</text>
      <text x="26" y="43" class="title">${cut(part.title || part.name, 22)}</text>
      <text x="26" y="60" class="image">${cut(image(part.image), 28)}</text>
      ${!part.shared && part.wanted > 0 && html`<text x=${WIDE - 12} y="24" class="count">${part.running}/${part.wanted}</text>`}
      <title>${part.id}${"\n"}${part.image}</title>
    </a>
    ${open && (shown.length ? shown.map((one, n) => html`<a key=${one.host_id} href=${to({ view: "hosts", name: one.host_id })}><text x="26" y=${TALL + 8 + n * LINE} class="instance">${cut(one.host, 22)}${one.count > 1 ? ` × ${one.count}` : ""}${one.health === "failed" ? ", not healthy" : ""}</text></a>`)
      : html`<text x="26" y=${TALL + 8} class="instance">runs nowhere</text>`)}
    ${open && part.instances.length > shown.length && html`<text x="26" y=${TALL + 8 + MOST_LINES * LINE} class="instance">and ${part.instances.length - shown.length} more</text>`}
  </g>`;
}

function Edge({ link, way, labelled, dim }) {
  const [over, setOver] = useState(false);
  const path = curve(way.points);
  const middle = way.points[Math.floor(way.points.length / 2)];
  const spot = way.x !== undefined ? way : middle;
  const text = cut(link.label, 24);
  return html`<g class="edge ${link.state} ${dim ? "faded" : ""}" onPointerEnter=${() => setOver(true)} onPointerLeave=${() => setOver(false)}>
    <path d=${path} class="wide" /><path d=${path} marker-end="url(#tip)" />
    ${(labelled || over) && html`<rect class="plate" x=${spot.x - text.length * 3.5 - 5} y=${spot.y - 9} width=${text.length * 7 + 10} height="18" rx="4" /><text x=${spot.x} y=${spot.y + 4}>${text}</text>`}
    <title>${`${link.label} ${link.interfaces || ""}: ${link.state}`}</title></g>`;
}
