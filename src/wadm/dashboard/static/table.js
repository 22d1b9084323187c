// A table of any number of rows, of which only those in sight are drawn; by mouse or by keyboard.

import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { useNow } from "./parts.js";

const TALL = 40;

/**
 * `columns` are `[key, title]`, the key being what `order` is called with (none: one cannot sort by it); `cells(row, now)`
 * returns the cells of a row, one of which holds a link of the class `open`. `picked` is the set of the chosen rows' keys,
 * null where nothing can be chosen. `narrow` is the height of a row on a phone.
 */
export function Table({ label, rows, keyOf, columns, cells, sort, order, picked, pick, narrow = 76 }) {
  const box = useRef(null);
  const now = useNow(5000);
  const [sight, setSight] = useState({ top: 0, height: 800, tall: TALL });
  const [cursor, setCursor] = useState("");
  const focusing = useRef(false);
  const holding = useRef(false); // a row has the focus, until somebody gives it to something else
  useEffect(() => {
    const element = box.current;
    const pressed = () => { holding.current = false; };
    addEventListener("pointerdown", pressed, true);
    const look = () => setSight({ top: element.scrollTop, height: element.clientHeight, scrolls: element.scrollHeight > element.clientHeight, tall: element.clientWidth < 640 ? Number(narrow) : TALL });
    look();
    element.addEventListener("scroll", look, { passive: true });
    const watcher = new ResizeObserver(look);
    watcher.observe(element);
    return () => { element.removeEventListener("scroll", look); watcher.disconnect(); removeEventListener("pointerdown", pressed, true); };
  }, []);
  const { tall } = sight;
  const first = Math.max(0, Math.floor(sight.top / tall) - 6);
  const last = Math.min(rows.length, Math.ceil((sight.top + sight.height) / tall) + 6);
  const here = cursor ? rows.findIndex((row) => row[keyOf] === cursor) : -1;
  // The row that has the focus is drawn wherever one scrolls to: else the focus would be gone with it.
  const drawn = [];
  for (let index = first; index < last; index += 1) drawn.push(index);
  if (here >= 0 && (here < first || here >= last)) drawn.push(here);
  useEffect(() => {
    // A row that is drawn at another place in the list loses the focus on the way, and is given it again.
    if (!focusing.current && !(holding.current && document.activeElement === document.body)) return;
    focusing.current = false;
    box.current.querySelector(`[data-index="${here}"] a.open`)?.focus({ preventScroll: true });
  });
  const toggle = useRef(pick);
  toggle.current = pick;
  const page = Math.max(1, Math.floor(sight.height / tall) - 1);
  const move = (event) => {
    if (event.key === "x" && picked && here >= 0) { pick(rows[here][keyOf]); event.preventDefault(); return; }
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -rows.length, End: rows.length }[event.key];
    if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(rows.length - 1, here < 0 ? 0 : here + step));
    const top = next * tall;
    if (top < box.current.scrollTop) box.current.scrollTop = top;
    else if (top + tall > box.current.scrollTop + sight.height) box.current.scrollTop = top + tall - sight.height;
    focusing.current = true;
    setCursor(rows[next][keyOf]);
  };
  const left = (event) => { if (event.relatedTarget && !box.current.contains(event.relatedTarget)) holding.current = false; };
  const focused = (event) => { holding.current = true; const row = event.target.closest("[data-index]"); if (row) setCursor(rows[row.dataset.index]?.[keyOf] || ""); };
  // A row that is as it was is not compared again: while one scrolls, nearly all are.
  const known = useRef(new Map());
  const before = known.current;
  known.current = new Map();
  const drawnRow = (index) => {
    const row = rows[index];
    const chosen = picked?.has(row[keyOf]);
    const of = [row, index, tall, now, chosen, cells, picked === null];
    const old = before.get(row[keyOf]);
    const one = old && old.of.every((part, n) => part === of[n]) ? old : { of, drawn: html`<div key=${row[keyOf]} class="row ${chosen ? "picked" : ""}" role="row" aria-rowindex=${index + 2} data-index=${index} style=${{ transform: `translateY(${index * tall}px)`, height: `${tall}px` }}>
      ${picked && html`<span role="cell" class="pick"><input type="checkbox" checked=${chosen} onChange=${() => toggle.current(row[keyOf])} aria-label=${`Select ${row.name || row[keyOf]}`} /></span>`}
      ${cells(row, now)}</div>` };
    known.current.set(row[keyOf], one);
    return one.drawn;
  };
  const sorted = (key) => (!key ? undefined : sort === key ? "ascending" : sort === `-${key}` ? "descending" : undefined);
  return html`
    <div class="table of-${label.toLowerCase()} ${sight.scrolls ? "scrolls" : ""} ${picked ? "pickable" : ""}" role="table" aria-label=${label} aria-rowcount=${rows.length + 1}>
      <div class="head" role="row" aria-rowindex="1">${picked && html`<span role="columnheader"><span class="sr">Selected</span></span>`}${columns.map(([key, title]) => html`
        <span key=${title} role="columnheader" aria-sort=${sorted(key)}>${key ? html`<button onClick=${() => order(key)} class=${sorted(key) || ""}>${title}</button>` : title}</span>`)}</div>
      <div class="rows" style=${{ flex: `0 1 ${rows.length * tall}px` }} ref=${box} onKeyDown=${move} onfocusin=${focused} onfocusout=${left} role="rowgroup">
        <div class="canvas" style=${{ height: `${rows.length * tall}px` }} role="presentation">${drawn.map(drawnRow)}</div>
      </div>
    </div>`;
}
