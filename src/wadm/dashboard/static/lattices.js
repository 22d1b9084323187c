// All lattices that were heard of, those with problems first.

import { html, useEffect, useMemo, useState } from "./vendor/preact.js";
import { lattice } from "./api.js";
import { GRAVITY, number, plural, STATES, TITLES } from "./format.js";
import { Icon, Shape } from "./parts.js";
import { go, useQuery } from "./route.js";

const EVERY = 15000;
const AT_A_TIME = 6;

const isWrong = (state) => GRAVITY[state] < GRAVITY.deployed;
const sum = (counts, which) => STATES.filter(which).reduce((total, one) => total + counts[one], 0);
/** The gravest state that any application is in; a lattice that cannot be asked comes before all. */
const gravest = (found) => (!found ? 8 : found.error ? -1 : Math.min(...STATES.filter((one) => found.counts[one]).map((one) => GRAVITY[one]), 7));

/** What each lattice holds, asked for a few at a time, and again now and then. */
function useCounts(names) {
  const [found, set] = useState(new Map());
  useEffect(() => {
    let wanted = true;
    let timer = 0;
    const one = async (name) => {
      let told;
      try { told = { counts: (await lattice(name).counts()).applications }; } catch (error) { told = { error }; }
      if (wanted) set((before) => new Map(before).set(name, told));
    };
    const all = async () => {
      const waiting = [...names];
      const work = async () => { while (wanted && waiting.length) await one(waiting.shift()); };
      await Promise.all(Array.from({ length: AT_A_TIME }, work));
      if (wanted) timer = setTimeout(seen, EVERY);
    };
    const seen = () => { if (document.visibilityState === "visible") all(); else timer = setTimeout(seen, EVERY); };
    all();
    return () => { wanted = false; clearTimeout(timer); };
  }, [names.join()]);
  return found;
}

export default function Lattices({ names, current, at }) {
  const [text, setText] = useQuery(at, "q");
  const found = useCounts(names);
  const onChoose = (name) => go({ lattice: name, view: "applications" });
  const shown = useMemo(() => names.filter((name) => name.toLowerCase().includes(text.toLowerCase()))
    .sort((a, b) => gravest(found.get(a)) - gravest(found.get(b)) || (a < b ? -1 : 1)), [names.join(), found, text]);
  const wrong = [...found.values()].filter((one) => one.error || sum(one.counts, isWrong)).length;
  return html`<section class="lattices" aria-label="Lattices">
    <div class="overview"><div class="headline"><h1>${plural(names.length, "lattice")}</h1>
      <p>${found.size < names.length ? "Asking …" : wrong ? html`<strong>${number(wrong)}</strong> with problems` : "All is as it should be"}</p></div></div>
    <div class="tools"><label class="search"><${Icon} name="search" /><input type="search" aria-label="Search lattices" placeholder="Search lattices" value=${text} onInput=${(event) => setText(event.target.value)} /><kbd>/</kbd></label></div>
    ${shown.length ? html`<ul class="cards">${shown.map((name) => html`<${One} key=${name} name=${name} found=${found.get(name)} current=${name === current} onChoose=${onChoose} />`)}</ul>`
      : html`<p class="none">No lattice fits “${text}”.</p>`}
    <p class="dim">A lattice is known here once one of its hosts, or its status, was heard.</p>
  </section>`;
}

function One({ name, found, current, onChoose }) {
  const counts = found?.counts;
  const total = counts ? sum(counts, () => true) : 0;
  return html`<li><button class="card choose" onClick=${() => onChoose(name)}>
    <span class="names"><b>${name}</b>${current && html`<span class="pill">shown now</span>`}</span>
    ${counts ? html`<span class="dim">${plural(total, "application")}</span>
      <span class="bar" aria-hidden="true">${STATES.filter((one) => counts[one]).map((one) => html`<i key=${one} class=${one} style=${{ flexGrow: counts[one] }}></i>`)}</span>
      <span class="counts">${STATES.filter((one) => counts[one]).map((one) => html`<span key=${one}><${Shape} state=${one} size="14" /> ${number(counts[one])} ${TITLES[one].toLowerCase()}</span>`)}</span>`
    : found?.error ? html`<span class="bad">${found.error.message}</span>` : html`<span class="dim">…</span>`}
  </button></li>`;
}
