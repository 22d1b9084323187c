// How an application was lately, in a row of the list: what was wanted as a line, what ran below it, what lacked in red.

import { html, useEffect, useState } from "./vendor/preact.js";

const WIDE = 84;
const TALL = 20;
const EVERY = 60000;
const HOUR = 3600;
const FEWEST = 12; // slots that are drawn at least

let began = 0;
/** Note since when the gateway knows anything. */
export const remember = (since) => { if (since) began = since; };
/** What is shown where nobody chose: the last hour of a gateway that is younger than that, else the last day. */
export const lastOf = () => (began && Date.now() / 1000 - began > HOUR ? 24 * HOUR : HOUR);

/** What was wanted and what ran of all applications of a lattice, asked for again each minute: null before it is known. */
export function useLately(api) {
  const [lately, set] = useState(null);
  useEffect(() => {
    let wanted = true;
    let timer = 0;
    const ask = async () => {
      clearTimeout(timer);
      timer = setTimeout(ask, EVERY);
      if (document.visibilityState !== "visible") return;
      try {
        let found = await api.sparklines(lastOf());
        const before = lastOf();
        remember(found.since);
        if (lastOf() !== before) found = await api.sparklines(lastOf());
        if (wanted) set({ ...found, hour: found.step * found.slots <= HOUR });
      } catch { /* the list is of use without it */ }
    };
    const soon = setTimeout(ask, 300);
    return () => { wanted = false; clearTimeout(timer); clearTimeout(soon); };
  }, [api.name]);
  return lately;
}

/** The two lines and what lacks between them, as paths. */
export function paths(turns, slots) {
  const most = Math.max(1, ...turns.flatMap((one) => [one.wanted || 0, one.running || 0]));
  const first = Math.max(0, Math.min(turns.find((one) => one.wanted || one.running)?.at ?? slots, slots - FEWEST));
  const x = (at) => Math.round((Math.max(0, at - first) / (slots - first)) * WIDE * 10) / 10;
  const y = (value) => Math.round((TALL - 2 - (value / most) * (TALL - 4)) * 10) / 10;
  const drawn = { wanted: "", running: "", lack: "" };
  turns.forEach((one, n) => {
    const [from, to] = [x(one.at), x(turns[n + 1]?.at ?? slots)];
    for (const key of ["wanted", "running"]) {
      if (one[key] === null) continue;
      const before = turns[n - 1]?.[key] ?? null;
      drawn[key] += `${before === null ? `M${from} ${y(one[key])}` : `V${y(one[key])}`}H${to}`;
    }
    if (one.wanted !== null && one.running !== null && one.running < one.wanted) drawn.lack += `M${from} ${y(one.wanted)}H${to}V${y(one.running)}H${from}z`;
  });
  return drawn;
}

export function Spark({ turns, slots, hour }) {
  if (!turns?.length) return null;
  const drawn = paths(turns, slots);
  const ran = turns.map((one) => one.running).filter((one) => one !== null);
  const words = `${Math.min(...ran)} to ${Math.max(...ran)} ran in the last ${hour ? "hour" : "day"}`;
  return html`<svg class="spark" width=${WIDE} height=${TALL} viewBox=${`0 0 ${WIDE} ${TALL}`} role="img" aria-label=${words}><title>${words}</title><path class="lack" d=${drawn.lack} /><path class="wanted" d=${drawn.wanted} /><path class="running" d=${drawn.running} /></svg>`;
}
