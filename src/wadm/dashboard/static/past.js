// What has happened, of an application or of the whole lattice: as it happens, and as far back as the server keeps it.

import { html, useEffect, useMemo, useState } from "./vendor/preact.js";
import { isFailure } from "./format.js";
import { gathered, Icon, Timeline, Trouble, useNow } from "./parts.js";
import { useQuery, useWords } from "./route.js";

const KINDS = ["request", "command", "answer", "event", "status"];
const RANGES = [["", "All that is kept"], ["900", "Last 15 minutes"], ["3600", "Last hour"], ["21600", "Last 6 hours"], ["86400", "Last day"], ["604800", "Last week"]];
const PAGE = 300;

export function Past({ api, application = "", live, at }) {
  const [entries, set] = useState(null);
  const [more, setMore] = useState(false);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const [text, setText] = useQuery(at, "q");
  const [kinds, toggle, setKinds] = useWords(at, "kind");
  const [range, setRange] = useQuery(at, "last");
  const now = useNow(5000);
  const since = range ? Math.floor(Date.now() / 1000) - Number(range) : undefined;
  const ask = (said, before) => {
    setBusy(true);
    return api.events(application, { limit: PAGE, since, ...said }).then(
      (reply) => { set(gathered(before, reply.events || [])); setMore(Boolean(reply.more)); setError(null); },
      (failure) => { setError(failure); set((now_) => now_ || []); },
    ).then(() => setBusy(false));
  };
  useEffect(() => { set(null); ask({}, []); }, [api.name, application, range]);
  const all = useMemo(() => gathered(entries || [], live), [entries, live]);
  const oldest = entries?.length ? entries[entries.length - 1].time : undefined;
  const failures = kinds.has("failure");
  const chosen = KINDS.filter((kind) => kinds.has(kind));
  const shown = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    return all.filter((one) => (!chosen.length || chosen.includes(one.kind)) && (!failures || isFailure(one)) && (!since || one.time >= since)
      && words.every((word) => `${one.application || ""} ${one.text} ${one.host || ""}`.toLowerCase().includes(word)));
  }, [all, text, [...kinds].join(), since]);
  return html`<div class="past"><${Trouble} error=${error} />
    <div class="tools"><label class="search"><${Icon} name="search" /><input type="search" aria-label="Search events" placeholder="Search events" value=${text} onInput=${(event) => setText(event.target.value)} /><kbd>/</kbd></label>
      <select aria-label="Time range" value=${range} onChange=${(event) => setRange(event.target.value)}>${RANGES.map(([key, title]) => html`<option key=${key} value=${key}>${title}</option>`)}</select>
      <div class="filters" role="group" aria-label="Kinds">
        <button class="filter failures" aria-pressed=${failures} onClick=${() => toggle("failure")}>Failures only</button>
        ${KINDS.map((kind) => html`<button key=${kind} class="filter" aria-pressed=${kinds.has(kind)} onClick=${() => toggle(kind)}><${Icon} name=${kind} size="12" />${kind[0].toUpperCase()}${kind.slice(1)}</button>`)}
        ${kinds.size > 0 && html`<button class="quiet" onClick=${() => setKinds([])}>All kinds</button>`}</div></div>
    <div class="card">${entries ? html`<${Timeline} entries=${shown} now=${now} named=${!application} none=${all.length ? "No event fits." : undefined} />` : html`<p class="loading">Loading the events …</p>`}</div>
    ${entries && (more ? html`<p class="older"><button disabled=${busy} onClick=${() => ask({ until: oldest }, entries)}>${busy ? "Loading …" : "Older"}</button></p>` : all.length > 0 && html`<p class="dim older">There is nothing older${range ? " in this time" : " kept"}.</p>`)}
  </div>`;
}
