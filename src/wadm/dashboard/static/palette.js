// Everything there is, by typing a few letters of it: views, applications and what one can do with them, hosts, images.

import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/preact.js";
import { image, isFailure, TITLES } from "./format.js";
import { why } from "./applications.js";
import { Icon, Shape, useAsked, useRows } from "./parts.js";
import { to, toApplication } from "./route.js";

const MOST = 40;

const query = (said) => new URLSearchParams(said);

/** What one can do with an application. */
function doings(name, full) {
  const at = (tab, said) => to({ view: "applications", name, tab, query: said ? query(said) : "" });
  return [
    [`Why is ${name} so`, at(""), "status"], [`Who changed ${name}`, at("versions"), "user"], [`Compare versions of ${name}`, at("versions"), "answer"],
    [`Where does ${name} run`, at("placement"), "hosts"], [`What happened to ${name}`, at("timeline"), "events"], [`Failures of ${name}`, at("timeline", { kind: "failure" }), "events"], [`Manifest of ${name}`, at("manifest"), "apps"],
    ...(full ? [[`Deploy ${name}`, at("", { do: "deploy" }), "command"], [`Roll back ${name}`, at("", { do: "rollback" }), "command"], [`Undeploy ${name}`, at("", { do: "undeploy" }), "command"],
      [`New version of ${name}`, at("", { do: "new" }), "plus"], [`Delete ${name}`, at("", { do: "delete" }), "close"]] : []),
  ].map(([title, href, icon]) => ({ title, href, icon, rank: 2 }));
}

/** How well an entry fits what was typed; less is better, null: not at all. Letters must come in order, words whole first. */
export function fit(title, words) {
  const text = title.toLowerCase();
  let score = 0;
  for (const word of words) {
    const at = text.indexOf(word);
    if (at < 0) return null;
    score += at === 0 ? 0 : /\W/.test(text[at - 1]) ? 1 : 3;
  }
  return score + text.length / 200;
}

export default function Palette({ onClose, api, full, names, views, actions }) {
  const applications = useRows(api.name, "applications", "name").rows;
  const hosts = useRows(api.name, "hosts", "id").rows;
  const [past] = useAsked(() => api.events("", { limit: 1000 }), [api.name]);
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  const ref = useRef(null);
  const list = useRef(null);
  // Before the next key: letters typed straight after Ctrl K are meant for it.
  useLayoutEffect(() => { ref.current.showModal(); ref.current.querySelector("input").focus(); return () => ref.current?.open && ref.current.close(); }, []);
  const entries = useMemo(() => {
    const last = past?.events && [...past.events].reverse().find(isFailure);
    const images = new Map();
    for (const host of hosts?.values() || []) for (const one of [...host.components, ...host.providers]) if (!host.lost) images.set(one.image, (images.get(one.image) || 0) + 1);
    return [
      ...views.map(([view, title, icon]) => ({ title, href: to({ view }), icon, rank: 0 })),
      ...(last ? [{ title: `Last failure of all: ${last.application || last.host || ""}`, more: last.text, href: last.application ? toApplication(last.application, "timeline") : to({ view: "events", query: query({ kind: "failure" }) }), icon: "events", rank: 0 }] : []),
      { title: "All failures", href: to({ view: "events", query: query({ kind: "failure" }) }), icon: "events", rank: 0 },
      ...(full ? [{ title: "New application", href: to({ view: "applications", query: query({ new: "1" }) }), icon: "plus", rank: 0 }] : []),
      { title: "API", href: to({ view: "api" }), icon: "api", rank: 0 },
      { title: "Light or dark", run: actions.theme, icon: "moon", rank: 0 }, { title: "Keyboard", run: actions.help, icon: "help", rank: 0 }, { title: "Sign in or out, who am I", run: actions.account, icon: "user", rank: 0 },
      ...[...(applications?.values() || [])].map((row) => ({ title: row.name, more: why(row) || row.description || "", href: toApplication(row.name), state: row.status, rank: 1 })),
      ...[...(hosts?.values() || [])].map((host) => ({ title: `Host ${host.name || host.id}`, more: `What runs on it: ${host.components.length + host.providers.length}`, href: to({ view: "hosts", name: host.id }), icon: "hosts", rank: 1 })),
      ...[...images].map(([one, count]) => ({ title: `Image ${image(one)}`, more: `${one}, on ${count} host${count === 1 ? "" : "s"}: where is it used`, href: to({ view: "hosts", query: query({ q: one, as: "list" }) }), icon: "links", rank: 1 })),
      ...names.filter((one) => one !== api.name).map((one) => ({ title: `Lattice ${one}`, href: to({ lattice: one, view: "applications" }), icon: "lattices", rank: 1 })),
    ];
  }, [applications, hosts, past, names.join()]);
  const shown = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return entries.filter((one) => one.rank === 0).slice(0, MOST);
    const named = [...(applications?.keys() || [])].filter((name) => words.some((word) => name.toLowerCase().includes(word)));
    const all = [...entries, ...named.slice(0, 200).flatMap((name) => doings(name, full))];
    const scored = [];
    for (const one of all) {
      const score = fit(one.title, words) ?? (one.more ? (fit(one.more, words) ?? NaN) + 6 : NaN);
      if (!Number.isNaN(score)) scored.push([score + one.rank / 10, one]);
    }
    return scored.sort(([a], [b]) => a - b).slice(0, MOST).map(([, one]) => one);
  }, [entries, text]);
  const at = Math.min(chosen, shown.length - 1);
  const take = (one) => { if (!one) return; onClose(); if (one.run) one.run(); else location.hash = one.href; };
  const key = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
    if (step) { event.preventDefault(); setChosen(Math.max(0, Math.min(shown.length - 1, at + step))); }
    if (event.key === "Enter") { event.preventDefault(); take(shown[at]); }
  };
  useEffect(() => { list.current?.children[at]?.scrollIntoView({ block: "nearest" }); }, [at]);
  return html`<dialog ref=${ref} class="palette" aria-label="Find anything" onCancel=${(event) => { event.preventDefault(); onClose(); }} onMouseDown=${(event) => event.target === ref.current && onClose()}>
    <div class="dialog"><label class="search"><${Icon} name="search" /><input type="text" role="combobox" aria-expanded="true" aria-controls="found" aria-activedescendant=${shown.length ? `found-${at}` : undefined} aria-label="Find anything" placeholder="An application, a host, an image, what to do …" value=${text} onInput=${(event) => { setText(event.target.value); setChosen(0); }} onKeyDown=${key} autocomplete="off" spellcheck=${false} /></label>
      <ul id="found" role="listbox" aria-label="Found" ref=${list}>${shown.map((one, n) => html`<li key=${`${one.title} ${one.href || ""}`} id=${`found-${n}`} role="option" aria-selected=${n === at} onMouseMove=${() => n !== at && setChosen(n)} onClick=${() => take(one)}>
        ${one.state ? html`<${Shape} state=${one.state} size="15" />` : html`<${Icon} name=${one.icon} size="15" />`}<span class="found"><b>${one.title}</b>${one.more && html`<small>${one.more}</small>`}</span>${one.state && html`<small>${TITLES[one.state]}</small>`}</li>`)}</ul>
      ${!shown.length && html`<p class="none">Nothing fits “${text}”.</p>`}
      <p class="hint"><kbd>↑</kbd> <kbd>↓</kbd> choose <kbd>Enter</kbd> go <kbd>Esc</kbd> close</p></div>
  </dialog>`;
}
