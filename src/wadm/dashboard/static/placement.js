// Where everything runs: hosts as boxes, in groups by a label, and in them what runs there as blocks. Drawn on a canvas
// of which only what is in sight is painted, so that 1,000 hosts with 10,000 blocks scroll as a few do.

import { html, useEffect, useMemo, useRef, useState } from "./vendor/preact.js";
import { hue, number, plural, STATES, TITLES } from "./format.js";
import { groupingLabels, isSilent, ownLabels, whyNot } from "./labels.js";
import { Loading, Shape, useNow, useRows } from "./parts.js";
import { go, toApplication, useQuery } from "./route.js";

const WIDE = 132; // of a host
const GAP = 8;
const HEAD = 20;
const BLOCK = 14;
const STEP = BLOCK + 3;
const PAD = 7;
const TITLE = 30; // of a group
const EDGE = 12; // of the map
const ACROSS = Math.floor((WIDE - 2 * PAD + 3) / STEP);
const MOST_ROWS = 5;

const blocks = new WeakMap(); // of hosts, which are other objects once something on them is another

/** Blocks of a host: what runs there, of one application side by side. */
function blocksOf(host) {
  if (!blocks.has(host)) blocks.set(host, sorted([...host.providers.map((one) => ({ ...one, provider: true })), ...host.components]));
  return blocks.get(host);
}

function sorted(all) {
  return all.sort((a, b) => ((a.application || "~") < (b.application || "~") ? -1 : (a.application || "~") > (b.application || "~") ? 1 : a.id < b.id ? -1 : 1));
}

/** Where each host is: groups from above, in each the hosts from the left; a row is as high as its fullest host. */
export function layoutOf(hosts, label, width) {
  const groups = new Map();
  for (const host of hosts) {
    const value = label ? host.labels[label] ?? "" : "";
    if (!groups.has(value)) groups.set(value, []);
    groups.get(value).push(host);
  }
  const columns = Math.max(1, Math.floor((width - 2 * EDGE + GAP) / (WIDE + GAP)));
  const placed = [];
  const titles = [];
  let top = EDGE;
  for (const [value, of] of [...groups].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }))) {
    if (label) { titles.push({ value, count: of.length, lost: of.filter((host) => host.lost).length, top }); top += TITLE; }
    for (let at = 0; at < of.length; at += columns) {
      const row = of.slice(at, at + columns).map((host) => ({ host, blocks: blocksOf(host) }));
      const rows = Math.min(MOST_ROWS, Math.max(1, ...row.map((one) => Math.ceil(one.blocks.length / ACROSS))));
      const tall = HEAD + PAD + rows * STEP + 3;
      row.forEach((one, index) => placed.push({ ...one, left: EDGE + index * (WIDE + GAP), top, tall, room: rows * ACROSS }));
      top += tall + GAP;
    }
    top += label ? 10 : 0;
  }
  return { placed, titles, height: Math.max(top + EDGE - GAP, 60), columns };
}

const block = (spot, index) => [spot.left + PAD + (index % ACROSS) * STEP, spot.top + HEAD + PAD - 3 + Math.floor(index / ACROSS) * STEP];
const shownOf = (spot) => (spot.blocks.length > spot.room ? spot.room - 1 : spot.blocks.length);

/** The colours of the page, for a canvas that knows no style sheets. */
function palette() {
  const style = getComputedStyle(document.documentElement);
  const names = ["card", "line", "strong", "text", "dim", "failed", "unhealthy", "focus", "sunk", ...STATES];
  const dark = style.colorScheme === "dark";
  return { ...Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()])), dark, font: getComputedStyle(document.body).fontFamily };
}

/** `hosts` are those of the lattice (asked for where they are not given), `lit` the ids of those that count (null: all);
 * with `application` what belongs to it stands out, and `scalers` (as `explain` has them) say which hosts it may use. */
export function Placement({ api, at, hosts: given, lit, application, scalers }) {
  const asked = useRows(api.name, given ? "" : "hosts", "id").rows;
  const applications = useRows(api.name, "applications", "name").rows;
  const now = useNow(5000);
  const hosts = useMemo(() => given || [...(asked?.values() || [])].sort((a, b) => (a.name < b.name ? -1 : 1)), [given, asked]);
  const labels = useMemo(() => groupingLabels(hosts), [hosts]);
  const [group, setGroup] = useQuery(at, "group", labels[0] || "");
  const [colour, setColour] = useQuery(at, "colour", application ? "state" : "application");
  const [over, setOver] = useState(null); // { spot, block, x, y }
  const [needs, setNeeds] = useState(null);
  const part = over?.block;

  // What a part may use, asked for once the pointer rests on it.
  useEffect(() => {
    const name = part?.application;
    if (!name) { setNeeds(null); return undefined; }
    let wanted = true;
    const of = (views) => wanted && setNeeds({ id: part.id, shares: (views || []).filter((one) => one.name === part.id).flatMap((one) => one.shares).map((one) => one.requirements) });
    if (name === application && scalers) { of(scalers); return undefined; }
    const timer = setTimeout(() => api.explain(name).then((found) => of(found.scalers), () => {}), 150);
    return () => { wanted = false; clearTimeout(timer); };
  }, [part?.id, part?.application, scalers]);

  const mine = useMemo(() => (scalers || []).flatMap((one) => one.shares || []).map((one) => one.requirements), [scalers]);
  const requirements = needs?.id === part?.id && needs?.shares.length ? needs.shares : application && mine.length && !part ? mine : null;
  if (!hosts.length) return asked || given ? html`<p class="none">No host is there.</p>` : html`<${Loading} what="the hosts" />`;
  const blocks = hosts.reduce((n, host) => n + host.components.length + host.providers.length, 0);
  const own = application ? hosts.filter((host) => [...host.components, ...host.providers].some((one) => one.application === application)).length : 0;
  const words = `Map of ${plural(hosts.length, "host")} with ${number(blocks)} component${blocks === 1 ? "" : "s"} and providers${""}${application ? `; ${application} runs on ${own}` : ""}. The same is there as a list.`;
  return html`<div class="placement">
    <div class="map-tools"><label>Group by <select value=${group} onChange=${(event) => setGroup(event.target.value)}><option value="">nothing</option>${labels.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}</select></label>
      <label>Colour by <select value=${colour} onChange=${(event) => setColour(event.target.value)}><option value="application">application</option><option value="state">state</option></select></label>
      <span class="space"></span>
      <span class="legend">${colour === "state" ? STATES.map((one) => html`<span key=${one}><${Shape} state=${one} size="12" /> ${TITLES[one].toLowerCase()}</span>`) : html`<span>one colour for each application</span>`}<span><i class="box-silent"></i> silent</span><span><i class="box-lost"></i> lost</span><span><i class="round"></i> component</span><span><i class="square"></i> provider</span></span></div>
    <${Map_} hosts=${hosts} group=${labels.includes(group) ? group : ""} colour=${colour} applications=${applications} lit=${lit} application=${application} requirements=${requirements} now=${now} over=${over} setOver=${setOver} words=${words} />
    <${Hover} over=${over} requirements=${requirements} applications=${applications} now=${now} />
  </div>`;
}

function Map_({ hosts, group, colour, applications, lit, application, requirements, now, over, setOver, words }) {
  const box = useRef(null);
  const canvas = useRef(null);
  const [width, setWidth] = useState(0);
  const [theme, setTheme] = useState(0);
  const layout = useMemo(() => width && layoutOf(hosts, group, width), [hosts, group, width]);
  const colours = useMemo(palette, [theme]);
  const state = useRef({});
  state.current = { layout, colours, colour, applications, lit, application, requirements, now, over };

  useEffect(() => {
    const element = box.current;
    const measure = () => setWidth(element.clientWidth);
    measure();
    const watcher = new ResizeObserver(measure);
    watcher.observe(element);
    const changed = () => setTheme((n) => n + 1);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    addEventListener("wadm-theme", changed);
    scheme.addEventListener("change", changed);
    let asked = 0;
    const scroll = () => { asked = asked || requestAnimationFrame(() => { asked = 0; paint(element, canvas.current, state.current); }); };
    element.addEventListener("scroll", scroll, { passive: true });
    return () => { watcher.disconnect(); cancelAnimationFrame(asked); removeEventListener("wadm-theme", changed); scheme.removeEventListener("change", changed); element.removeEventListener("scroll", scroll); };
  }, []);
  useEffect(() => { if (layout) paint(box.current, canvas.current, state.current); });

  const hit = (event) => {
    const bounds = box.current.getBoundingClientRect();
    return layout && under(layout, event.clientX - bounds.left, event.clientY - bounds.top + box.current.scrollTop);
  };
  const move = (event) => {
    const found = hit(event);
    const same = found?.spot === over?.spot && found?.block === over?.block;
    if (!same) setOver(found && { ...found, x: event.clientX, y: event.clientY });
  };
  const open = (found) => {
    if (!found) return;
    if (found.block?.application) location.hash = toApplication(found.block.application);
    else go({ view: "hosts", name: found.spot.host.id });
  };
  const key = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: layout.columns, ArrowUp: -layout.columns }[event.key];
    if (event.key === "Enter" && over) { open(over); return; }
    if (!step) return;
    event.preventDefault();
    const here = layout.placed.findIndex((spot) => spot.host.id === over?.spot.host.id);
    const spot = layout.placed[Math.max(0, Math.min(layout.placed.length - 1, here < 0 ? 0 : here + step))];
    const element = box.current;
    if (spot.top < element.scrollTop) element.scrollTop = spot.top - TITLE;
    if (spot.top + spot.tall > element.scrollTop + element.clientHeight) element.scrollTop = spot.top + spot.tall - element.clientHeight;
    const bounds = element.getBoundingClientRect();
    setOver({ spot, block: null, x: bounds.left + spot.left + WIDE / 2, y: bounds.top + spot.top + spot.tall - element.scrollTop });
  };
  return html`<div class="map" ref=${box} tabindex="0" role="application" aria-roledescription="map" aria-label=${words} style=${{ "--all": `${layout ? layout.height + 2 : 400}px` }} onMouseMove=${move} onMouseLeave=${() => setOver(null)} onBlur=${() => setOver(null)} onClick=${(event) => open(hit(event))} onKeyDown=${key}>
    <div class="map-size" style=${{ height: `${layout ? layout.height : 400}px` }}><canvas ref=${canvas} aria-hidden="true"></canvas></div></div>`;
}

/** What is at a point of the map. */
function under({ placed }, x, y) {
  const spot = placed[firstBelow(placed, y)] && placed.slice(firstBelow(placed, y)).find((one) => one.top <= y && y < one.top + one.tall && one.left <= x && x < one.left + WIDE);
  if (!spot) return null;
  const index = spot.blocks.slice(0, shownOf(spot)).findIndex((_, n) => { const [left, top] = block(spot, n); return x >= left - 1 && x <= left + BLOCK + 1 && y >= top - 1 && y <= top + BLOCK + 1; });
  return { spot, block: index < 0 ? null : spot.blocks[index] };
}

/** The first spot that reaches below a line; spots are in order from above. */
function firstBelow(placed, y) {
  let low = 0;
  let high = placed.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (placed[middle].top + placed[middle].tall < y) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What was painted last: the map is drawn by one canvas at a time. */
let painted = {};

function paint(element, canvas, state) {
  const { layout, colours } = state;
  if (!layout) return;
  const ratio = Math.min(2, devicePixelRatio || 1);
  const wide = element.clientWidth;
  const tall = element.clientHeight;
  if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(tall * ratio)) {
    canvas.width = Math.round(wide * ratio);
    canvas.height = Math.round(tall * ratio);
    canvas.style.width = `${wide}px`;
    canvas.style.height = `${tall}px`;
  }
  const top = Math.round(element.scrollTop * ratio) / ratio;
  const draw = canvas.getContext("2d", { alpha: false });
  let [from, to] = [0, tall];
  // Where nothing but the scrolling is new, what is there already is moved, and only the rest is painted.
  const by = painted.canvas === canvas && painted.state === state && painted.wide === canvas.width && painted.tall === canvas.height ? top - painted.top : tall;
  if (by === 0) return;
  if (Math.abs(by) < tall) {
    draw.setTransform(1, 0, 0, 1, 0, 0);
    draw.globalCompositeOperation = "copy";
    draw.drawImage(canvas, 0, -Math.round(by * ratio));
    draw.globalCompositeOperation = "source-over";
    [from, to] = by > 0 ? [tall - by, tall] : [0, -by];
  }
  painted = { canvas, state, top, wide: canvas.width, tall: canvas.height };
  draw.save();
  draw.setTransform(ratio, 0, 0, ratio, 0, 0);
  draw.beginPath();
  draw.rect(0, from, wide, to - from);
  draw.clip();
  draw.fillStyle = colours.card;
  draw.fillRect(0, from, wide, to - from);
  draw.translate(0, -top);
  draw.textBaseline = "middle";
  for (const title of layout.titles) if (title.top + TITLE > top + from && title.top < top + to) heading(draw, title, colours);
  draw.font = `600 11px ${colours.font}`;
  for (let n = firstBelow(layout.placed, top + from); n < layout.placed.length; n += 1) {
    const spot = layout.placed[n];
    if (spot.top > top + to) break;
    host(draw, spot, state);
  }
  draw.restore();
}

function heading(draw, { value, count, lost, top }, colours) {
  draw.font = `650 13px ${colours.font}`;
  draw.fillStyle = colours.text;
  const name = value || "not set";
  draw.fillText(name, EDGE, top + 17);
  const wide = draw.measureText(name).width;
  draw.font = `12px ${colours.font}`;
  draw.fillStyle = colours.dim;
  draw.fillText(`${number(count)} host${count === 1 ? "" : "s"}${lost ? `, ${lost} lost` : ""}`, EDGE + wide + 9, top + 17);
}

const cut = new Map();
/** The beginning of a name that fits over a host; measured once. */
function named(draw, text, room) {
  if (!cut.has(text)) {
    let shown = text;
    while (shown && draw.measureText(shown === text ? shown : `${shown}…`).width > room) shown = shown.slice(0, -1);
    if (cut.size > 20000) cut.clear();
    cut.set(text, shown === text ? text : `${shown}…`);
  }
  return cut.get(text);
}

function host(draw, spot, state) {
  const { colours, lit, requirements, over } = state;
  const one = spot.host;
  const silent = isSilent(one, state.now);
  const fits = requirements ? !whyNot(one, requirements) : !lit || lit.has(one.id);
  draw.globalAlpha = fits ? 1 : 0.3;
  draw.fillStyle = colours.sunk;
  draw.strokeStyle = over?.spot.host.id === one.id ? colours.focus : one.lost ? colours.failed : silent ? colours.unhealthy : requirements && fits ? colours.focus : colours.line;
  draw.lineWidth = one.lost || silent || over?.spot.host.id === one.id || (requirements && fits) ? 2 : 1;
  draw.setLineDash(one.lost ? [5, 4] : silent ? [2, 3] : []);
  draw.beginPath();
  draw.roundRect(spot.left + 1, spot.top + 1, WIDE - 2, spot.tall - 2, 7);
  draw.fill();
  draw.stroke();
  draw.setLineDash([]);
  draw.fillStyle = one.lost ? colours.failed : silent ? colours.unhealthy : colours.dim;
  draw.fillText(named(draw, one.name || one.id.slice(0, 8), WIDE - 2 * PAD), spot.left + PAD, spot.top + HEAD / 2 + 2);
  const shown = shownOf(spot);
  for (let n = 0; n < shown; n += 1) part(draw, spot, n, state, fits, one.lost);
  if (shown < spot.blocks.length) {
    const [left, top] = block(spot, shown);
    draw.globalAlpha = fits ? 1 : 0.3;
    draw.fillStyle = colours.dim;
    draw.fillText(`+${spot.blocks.length - shown}`, left - 1, top + BLOCK / 2);
  }
  draw.globalAlpha = 1;
}

function part(draw, spot, index, state, fits, lost) {
  const { colours, colour, applications, application, over } = state;
  const one = spot.blocks[index];
  const [left, top] = block(spot, index);
  const foreign = application && one.application !== application;
  const same = over?.block && over.block.id === one.id && over.block.application === one.application;
  draw.globalAlpha = same ? 1 : (fits ? 1 : 0.35) * (foreign ? 0.18 : over?.block ? 0.4 : 1) * (lost ? 0.5 : 1);
  draw.fillStyle = one.health === "failed" ? colours.failed
    : !one.application ? colours.strong
    : colour === "state" ? colours[applications?.get(one.application)?.status] || colours.strong
    : `hsl(${hue(one.application)} 55% ${colours.dark ? 60 : 46}%)`;
  draw.beginPath();
  draw.roundRect(left, top, BLOCK, BLOCK, one.provider ? 2 : 7);
  draw.fill();
  if (same) { draw.strokeStyle = colours.text; draw.lineWidth = 2; draw.stroke(); }
}

function Hover({ over, requirements, applications, now }) {
  if (!over) return html`<p class="sr" role="status"></p>`;
  const { host } = over.spot;
  const part = over.block;
  const reason = requirements && whyNot(host, requirements);
  const state = part?.application && applications?.get(part.application)?.status;
  const place = { left: `${Math.min(over.x + 14, innerWidth - 300)}px`, top: `${over.y + 18 > innerHeight - 190 ? over.y - 180 : over.y + 18}px` };
  return html`<div class="tip" role="status" style=${place}>
    ${part && html`<p><b>${part.id}</b> ${part.provider ? "provider" : `up to ${part.count}`}${part.health === "failed" ? ", not healthy" : ""}</p>
      <p class="dim">${part.application ? html`of <b>${part.application}</b>${state ? `, ${TITLES[state].toLowerCase()}` : ""}` : "of no application here"}</p><p class="dim image">${part.image}</p>`}
    <p>${part ? "on " : ""}<b>${host.name || host.id.slice(0, 8)}</b>${host.lost ? html` <span class="bad">lost</span>` : isSilent(host, now) ? " silent" : ""}</p>
    <p class="dim">${ownLabels(host).slice(0, 6).join("  ")}</p>
    ${!part && html`<p class="dim">${plural(host.components.length, "component")}, ${plural(host.providers.length, "provider")}</p>`}
    ${reason && html`<p class="bad">It cannot run here: ${reason}.</p>`}
  </div>`;
}
