// Small parts that all views are made of.

import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/preact.js";
import { follow } from "./link.js";
import { ago, clock, exactly, grouped, isFailure, plural, TITLES } from "./format.js";
import { toApplication } from "./route.js";

// Every state has a shape of its own, so that nobody needs to tell colours apart.
const SHAPES = {
  deployed: html`<circle cx="8" cy="8" r="7" class="fill"/><path d="M4.8 8.3l2.2 2.2 4.3-4.7" class="on"/>`,
  failed: html`<path d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" class="fill"/><path d="M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2" class="on"/>`,
  unhealthy: html`<path d="M8 1.2L15.3 14H.7z" class="fill"/><path d="M8 6v3.6M8 11.7v.2" class="on"/>`,
  waiting: html`<circle cx="8" cy="8" r="6.2" class="line"/><path d="M8 4.4V8l2.6 1.7" class="line"/>`,
  reconciling: html`<path d="M13.6 6.2A6 6 0 0 0 2.7 5.4M2.4 9.8a6 6 0 0 0 10.9.8" class="line"/><path d="M2.3 2.2v3.4h3.4M13.7 13.8v-3.4h-3.4" class="line"/>`,
  undeployed: html`<circle cx="8" cy="8" r="6.2" class="line" stroke-dasharray="2.6 2.3"/>`,
};

export const Shape = ({ state, size = 16, still }) => html`
  <svg class="shape ${state} ${still ? "still" : ""}" width=${size} height=${size} viewBox="0 0 16 16" aria-hidden="true">${SHAPES[state] || SHAPES.undeployed}</svg>`;

export const Badge = ({ state }) => html`<span class="badge ${state}"><${Shape} state=${state} size="14" />${TITLES[state] || state}</span>`;

const ICONS = {
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.8 10.8L14.5 14.5",
  plus: "M8 3v10M3 8h10",
  close: "M4 4l8 8M12 4l-8 8",
  back: "M9.5 3.5L5 8l4.5 4.5",
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 .8v1.6M8 13.6v1.6M.8 8h1.6M13.6 8h1.6M2.9 2.9l1.1 1.1M12 12l1.1 1.1M2.9 13.1L4 12M12 4l1.1-1.1",
  moon: "M13.5 9.8A6 6 0 0 1 6.2 2.5 6 6 0 1 0 13.5 9.8z",
  lock: "M4 7.5h8V14H4zM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5",
  apps: "M2 2h5v5H2zM9 2h5v5H9zM2 9h5v5H2zM9 9h5v5H9z",
  hosts: "M2 2.5h12v4H2zM2 9.5h12v4H2zM4.5 4.5h.1M4.5 11.5h.1",
  events: "M2 8h3l2-5 2.5 10L12 8h2",
  lattices: "M8 1.5l6 3.2-6 3.2-6-3.2zM2 8l6 3.2L14 8M2 11.3l6 3.2 6-3.2",
  bell: "M3.5 11.5h9c-1-1.2-1.2-2.2-1.2-4.3a3.3 3.3 0 0 0-6.6 0c0 2.1-.2 3.1-1.2 4.3zM6.8 13.6a1.3 1.3 0 0 0 2.4 0",
  request: "M3 8h9M8.5 4.5L12 8l-3.5 3.5",
  command: "M3 4l4 4-4 4M8.5 12H13",
  answer: "M13 4v4.5H4M7 5.5L4 8.5l3 3",
  event: "M8 2v4M8 10v4M2 8h4M10 8h4",
  status: "M3 8.5l3.2 3.2L13 5",
  user: "M8 8.2a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2.5 14a5.5 5.5 0 0 1 11 0",
  links: "M6.5 9.5l3-3M7 4.5l1.2-1.2a3 3 0 0 1 4.3 4.3L11.3 8.8M9 11.5l-1.2 1.2a3 3 0 0 1-4.3-4.3l1.2-1.2",
  trends: "M2 2v12h12M4.5 10.5l3-4 2.5 2.5 3.5-5",
  api: "M5 4L1.5 8 5 12M11 4l3.5 4-3.5 4M9.2 3L6.8 13",
  help: "M5.6 6a2.4 2.4 0 1 1 3.6 2c-.8.5-1.2 1-1.2 1.9M8 12.4v.2",
  down: "M4 6l4 4 4-4",
};

export const Icon = ({ name, size = 16 }) => html`
  <svg class="icon" width=${size} height=${size} viewBox="0 0 16 16" aria-hidden="true"><path d=${ICONS[name]} /></svg>`;

/** Seconds since 1970, kept current. */
export function useNow(every = 1000) {
  const [now, set] = useState(() => Date.now() / 1000);
  useEffect(() => {
    const timer = setInterval(() => set(Date.now() / 1000), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

/** What an asynchronous function returns: `[value, error, again]`; asked anew when `keys` change. */
export function useAsked(ask, keys) {
  const [state, set] = useState({ value: null, error: null });
  const [round, again] = useState(0);
  useEffect(() => {
    let wanted = true;
    Promise.resolve().then(ask).then(
      (value) => wanted && set({ value, error: null }),
      (error) => wanted && set((before) => ({ value: before.value, error })),
    );
    return () => { wanted = false; };
  }, [...keys, round]);
  return [state.value, state.error, () => again((n) => n + 1)];
}

const TOGETHER = 60; // milliseconds

/** What is told of a topic as one value, put together by `fold(before, event, data)`; `undefined` before anything is. */
export function useTopic(topic, fold) {
  const [state, set] = useState({ topic: "", value: undefined });
  useEffect(() => {
    if (!topic) return undefined;
    // In a storm thousands of entries of timelines come within a second: they are taken together, now and then.
    let entries = [];
    let timer = 0;
    const take = (event, data) => set((before) => ({ topic, value: fold(before.topic === topic ? before.value : undefined, event, data) }));
    const flush = () => { clearTimeout(timer); timer = 0; const all = entries; entries = []; if (all.length) take("timeline", all); };
    const handlers = Object.fromEntries(["snapshot", "changes", "status", "problem"].map((event) => [event, (data) => { flush(); take(event, data); }]));
    const stop = follow(topic, { ...handlers, timeline: (data) => { entries = entries.concat(data); timer = timer || setTimeout(flush, TOGETHER); } });
    return () => { clearTimeout(timer); stop(); };
  }, [topic]);
  return state.topic === topic ? state.value : undefined;
}

const latest = (before, event, data) => (event === "problem" ? before : data);
/** The last snapshot of a topic. */
export const useSnapshot = (topic) => useTopic(topic, latest);

/** The rows of a topic: `{ rows: Map, problem }`, the same object until something changes. */
export function useRows(lattice, topic, key) {
  const fold = (before, event, data) => {
    if (event === "problem") return { rows: before?.rows || new Map(), problem: data.message };
    const rows = event === "snapshot" ? new Map() : new Map(before?.rows || []);
    for (const one of data.gone || []) rows.delete(one);
    for (const row of data.rows) rows.set(row[key], row);
    return { rows, problem: data.problem || "" };
  };
  return useTopic(topic && `${lattice}/${topic}`, fold) || { rows: null, problem: "" };
}

/** A modal dialog; the browser keeps the focus in it, and Escape closes it. `guard` returns why it is not to be closed
 * without a question. What bears `data-first` is focused first. */
export function Dialog({ title, onClose, children, wide, guard }) {
  const ref = useRef(null);
  useLayoutEffect(() => {
    const dialog = ref.current;
    if (!dialog.open) dialog.showModal();
    dialog.querySelector("[data-first]")?.focus();
    return () => dialog.open && dialog.close();
  }, []);
  const leave = () => { const why = guard?.(); if (!why || confirm(why)) onClose(); };
  // A press that began inside and ended outside (selecting text) is no click beside the dialog.
  const outside = (event) => event.target === ref.current && leave();
  return html`
    <dialog ref=${ref} class=${wide ? "wide" : ""} aria-label=${title} onCancel=${(event) => { event.preventDefault(); leave(); }} onMouseDown=${outside}>
      <div class="dialog">
        <header><h2>${title}</h2><button class="quiet" onClick=${leave} aria-label="Close"><${Icon} name="close" /></button></header>
        ${children}
      </div>
    </dialog>`;
}

/** A text in which what stands between backticks is code. */
export const coded = (text) => text.split("`").map((part, at) => (at % 2 ? html`<code key=${at}>${part}</code>` : part));

export function Trouble({ error }) {
  if (!error) return null;
  const told = error.problems || [];
  const alone = told.length > 0 && told.every((one) => one.level !== "warning") && told.some((one) => error.message.includes(one.message));
  return html`
  <div class="trouble" role="alert"><${Shape} state="failed" /><div>
    ${!alone && html`<p>${coded(error.message)}</p>`}
    ${error.problems?.length > 0 && html`<ul class="problems">${error.problems.map((one) => html`
      <li key=${one.message}><strong>${one.level === "warning" ? "Warning" : "Error"}</strong>
        ${one.line ? html` <span class="place">line ${one.line}${one.column ? `:${one.column}` : ""}</span>` : ""}
        ${one.path ? html` <code>${one.path}</code>` : ""} ${coded(one.message)}
        ${one.hint ? html`<div class="hint">${coded(one.hint)}</div>` : ""}</li>`)}</ul>`}
  </div></div>`;
}

export const Loading = ({ what }) => html`<p class="loading" role="status">Loading ${what} …</p>`;

/** Something to type into a terminal, with a button that copies it. */
export function Command({ text }) {
  const [copied, set] = useState(false);
  const copy = async () => {
    try { await navigator.clipboard.writeText(text); set(true); setTimeout(() => set(false), 1500); } catch { /* one can select it */ }
  };
  return html`<div class="copyable"><code>${text}</code><button class="quiet" onClick=${copy}>${copied ? "Copied" : "Copy"}</button></div>`;
}

/** A moment: when exactly is told on the side, with its date and zone. */
export const Time = ({ time, now }) => html`<time datetime=${new Date(time * 1000).toISOString()} title=${`${exactly(time)} (${ago(time, now)})`}>${clock(time)}</time>`;
export const Ago = ({ time, now }) => html`<time datetime=${new Date(time * 1000).toISOString()} title=${exactly(time)}>${ago(time, now)}</time>`;

const KINDS = { request: "Request", command: "Command", answer: "Answer", event: "Event", status: "Status" };

/** The state that the text of a `status` entry begins with. */
const stateIn = (text) => /^\w*/.exec(text)[0];

/** What happened, newest first; what is equal is put together. */
export function Timeline({ entries, now, named, none = "Nothing has happened since the server keeps a timeline." }) {
  const groups = useMemo(() => grouped(entries), [entries]);
  if (!entries.length) return html`<p class="none">${none}</p>`;
  // Only the newest status may be one that is still under way; older ones are over, whatever they say.
  const newest = new Map();
  for (const one of groups) if (one.kind === "status" && !newest.has(one.application || "")) newest.set(one.application || "", one);
  return html`<ol class="timeline">${groups.map((group) => html`<${Moment} key=${group.entries[group.entries.length - 1].key} group=${group} now=${now} named=${named} still=${newest.get(group.application || "") === group} />`)}</ol>`;
}

function Moment({ group, now, named, still }) {
  const [open, setOpen] = useState(false);
  const several = group.entries.length > 1;
  const hosts = [...new Set(group.entries.map((one) => one.host).filter(Boolean))];
  return html`
    <li class="${group.kind} ${isFailure(group) ? "failure" : ""}">
      <span class="mark">${group.kind === "status" ? html`<${Shape} state=${stateIn(group.text)} still=${!still} />` : html`<${Icon} name=${group.kind} size="12" />`}</span>
      <span class="kind">${KINDS[group.kind] || group.kind}</span>
      <span class="what">${named && group.application && html`<a href=${toApplication(group.application)}>${group.application}</a> `}${group.text}
        ${several ? html` <button class="times" aria-expanded=${open} onClick=${() => setOpen(!open)}>${group.entries.length} times${hosts.length > 1 ? ` on ${plural(hosts.length, "host")}` : ""}</button>`
    : group.host && !group.text.includes(group.host) && html`<span class="where"> on ${group.host}</span>`}
        ${open && html`<ol class="each">${group.entries.map((one) => html`<li key=${one.key}><${Time} time=${one.time} now=${now} /> ${one.host || one.text}</li>`)}</ol>`}</span>
      <${Time} time=${group.time} now=${now} />
    </li>`;
}

let counted = 0;
const sameAs = (entry) => `${entry.time}|${entry.kind}|${entry.application || ""}|${entry.host || ""}|${entry.text}`;
/** Entries with keys, the newest first and at most `most`; what is there already does not come twice. */
export function gathered(before, more, most = 5000) {
  const known = new Set(before.map(sameAs));
  const fresh = more.filter((entry) => !known.has(sameAs(entry))).map((entry) => ({ ...entry, key: (counted += 1) }));
  if (!fresh.length) return before;
  const all = [...fresh.reverse(), ...before];
  all.sort((a, b) => b.time - a.time || b.key - a.key);
  return all.slice(0, most);
}

export const Meter = ({ running, wanted }) => html`
  <span class="meter" title=${`${running} of ${wanted} run`}><i class=${running >= wanted ? "ok" : ""}><b style=${{ width: `${wanted ? Math.min(100, (100 * running) / wanted) : 100}%` }}></b></i><span>${running}/${wanted}</span></span>`;
