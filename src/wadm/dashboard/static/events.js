// What happens in the whole lattice, as it happens.

import { html, useEffect, useMemo, useState } from "./vendor/preact.js";
import { ago, clock } from "./format.js";
import { gathered, Icon, Loading, Timeline, Trouble, useNow } from "./parts.js";

const KINDS = ["request", "command", "answer", "event", "status"];

export function Events({ api, onLink }) {
  const [entries, set] = useState(null);
  const [error, setError] = useState(null);
  const [text, setText] = useState("");
  const [kinds, setKinds] = useState(new Set(KINDS));
  const now = useNow(5000);
  useEffect(() => {
    let wanted = true;
    api.events("", { limit: 300 }).then(
      (reply) => wanted && set((before) => gathered(before || [], reply.events || [])),
      (failure) => { if (wanted) { setError(failure); set((before) => before || []); } },
    );
    const stop = api.follow("events", { state: onLink, timeline: (more) => set((before) => gathered(before || [], more)) });
    return () => { wanted = false; stop(); };
  }, [api.name]);
  const shown = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    return (entries || []).filter((one) => kinds.has(one.kind)
      && words.every((word) => `${one.application} ${one.text} ${one.host || ""}`.toLowerCase().includes(word)));
  }, [entries, text, kinds]);
  if (!entries) return html`<${Loading} what="the events" />`;
  const toggle = (kind) => { const next = new Set(kinds); if (!next.delete(kind)) next.add(kind); setKinds(next); };
  return html`<section class="events" aria-label="Events">
    <div class="overview"><div class="headline"><h1>Events</h1><p>Requests, commands with their reasons, answers, what hosts say, and what became of it</p></div></div>
    <${Trouble} error=${error} />
    <div class="tools"><label class="search"><${Icon} name="search" /><input type="search" aria-label="Search events" placeholder="Search events" value=${text} onInput=${(event) => setText(event.target.value)} /><kbd>/</kbd></label>
      <div class="filters" role="group" aria-label="Kinds">${KINDS.map((kind) => html`<button key=${kind} class="filter" aria-pressed=${kinds.has(kind)} onClick=${() => toggle(kind)}><${Icon} name=${kind} size="12" />${kind}</button>`)}</div></div>
    <div class="card"><${Timeline} entries=${shown} now=${now} clock=${clock} ago=${ago} named=${true} none=${entries.length ? "No event fits." : undefined} /></div>
  </section>`;
}
