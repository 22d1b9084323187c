// One application: how it is and why, what happened, its versions, and what one can do about it.

import { html, useEffect, useMemo, useRef, useState } from "./vendor/preact.js";
import { Charts } from "./charts.js";
import { Change, Delete, NewVersion } from "./change.js";
import { ago, cause, clock, duration, isFailure, plural, yaml } from "./format.js";
import { Graph, pictureOf } from "./graph.js";
import { Badge, gathered, Icon, Loading, Meter, Shape, Time, Timeline, Trouble, useAsked, useNow, useRows, useTopic } from "./parts.js";
import { Past } from "./past.js";
import { Placement } from "./placement.js";
import { Progress } from "./progress.js";
import { to, toApplication, useQuery } from "./route.js";
import { Versions } from "./versions.js";

const TABS = [["overview", "Overview"], ["placement", "Placement"], ["timeline", "Timeline"], ["versions", "Versions"], ["manifest", "Manifest"]];

/** The live status and timeline of an application. */
function useLive(api, name) {
  const fold = (before = { status: null, entries: [], problem: "" }, event, data) => {
    if (event === "status") return { ...before, status: data, problem: "" };
    if (event === "timeline") return { ...before, entries: gathered(before.entries, data) };
    return { ...before, problem: data.message };
  };
  const live = useTopic(`${api.name}/applications/${name}`, fold) || { status: null, entries: [], problem: "" };
  const [past, setPast] = useState([]);
  useEffect(() => {
    let wanted = true;
    api.events(name, { limit: 300 }).then((reply) => wanted && setPast(gathered([], reply.events || [])), () => {});
    return () => { wanted = false; };
  }, [api.name, name]);
  const entries = useMemo(() => gathered(past, live.entries), [past, live.entries]);
  return { ...live, entries };
}

export default function Application({ api, full, at, who }) {
  const name = at.name;
  const { status, entries, problem } = useLive(api, name);
  const [versions, missing, again] = useAsked(() => api.versions(name), [api.name, name, status?.type, entries[0]?.kind === "request" && entries[0]?.key]);
  const [dialog, setDialog] = useQuery(at, "do");
  const now = useNow();
  const tab = TABS.some(([key]) => key === at.tab) ? at.tab : "overview";
  if (missing?.status === 404 || missing?.status === 400) {
    return html`<section class="empty"><h1>${name} is not there</h1><p>${missing.message}.</p><p>You are looking at lattice <b>${api.name}</b>. <a href=${to({ view: "applications" })}>All its applications</a></p></section>`;
  }
  if (!versions || !status) return missing || problem ? html`<${Trouble} error=${missing || { message: problem }} />` : html`<${Loading} what=${name} />`;
  const deployed = versions.find((one) => one.deployed)?.version;
  const newest = versions[versions.length - 1]?.version;
  const close = () => { setDialog(""); again(); };
  const open = (what) => () => setDialog(what);
  const [what, version] = dialog.split(":");
  return html`<section class="application">
    <a class="up" href=${to({ view: "applications" })}><${Icon} name="back" size="13" />Applications</a>
    <div class="title"><div><div class="names"><h1>${name}</h1><${Badge} state=${status.type} /></div>
      <p class="facts">${deployed ? html`Version <b>${deployed}</b> is to run` : "Nothing of it is to run"}${newest && newest !== deployed ? html` · <b>${newest}</b> is the newest stored` : ""} · ${plural(versions.length, "version")}</p></div>
      ${full && html`<div class="actions" role="group" aria-label="Actions">
        <button class=${deployed === newest ? "" : "primary"} onClick=${open("deploy")}>Deploy …</button>
        <button onClick=${open("rollback")} disabled=${versions.length < 2}>Roll back …</button>
        <button onClick=${open("undeploy")} disabled=${!deployed}>Undeploy …</button>
        <button onClick=${open("new")} data-key="n">New version …</button>
        <button class="danger" onClick=${open("delete")}>Delete …</button></div>`}
    </div>
    ${problem && html`<${Trouble} error=${{ message: problem }} />`}
    <${Progress} api=${api} name=${name} entries=${entries} status=${status} />
    <${Reason} status=${status} now=${now} />
    <nav class="tabs" aria-label="Parts">${TABS.map(([key, title]) => html`
      <a key=${key} href=${toApplication(name, key)} aria-current=${tab === key ? "page" : undefined}>${title}${key === "versions" ? html` <small>${versions.length}</small>` : ""}</a>`)}</nav>
    ${tab === "overview" && html`<${Overview} api=${api} name=${name} status=${status} version=${deployed || newest} entries=${entries} now=${now} at=${at} longest=${who.trends} />`}
    ${tab === "placement" && html`<${Spread} api=${api} name=${name} status=${status} at=${at} />`}
    ${tab === "timeline" && html`<${Past} api=${api} application=${name} live=${entries} at=${at} />`}
    ${tab === "versions" && html`<${Versions} api=${api} name=${name} versions=${versions} status=${status} now=${now} at=${at} onDeploy=${full ? (one) => setDialog(`deploy:${one}`) : null} />`}
    ${tab === "manifest" && html`<${Manifest} api=${api} name=${name} version=${deployed || newest} />`}
    ${full && ["deploy", "rollback", "undeploy"].includes(what) && html`<${Change} what=${what} api=${api} name=${name} versions=${versions} wanted=${version} onClose=${close} />`}
    ${full && what === "delete" && html`<${Delete} api=${api} name=${name} deployed=${deployed} onClose=${close} />`}
    ${full && what === "new" && html`<${NewVersion} api=${api} name=${name} version=${newest} onClose=${close} />`}
  </section>`;
}

/** The one sentence that matters while something is not as it should be; the rest is folded. */
function Reason({ status, now }) {
  if (status.type === "deployed" || status.type === "undeployed") return null;
  const open = status.scalers.filter((one) => one.type !== "deployed");
  const bad = open.find((one) => one.explanation?.last_error);
  const worst = bad || open.find((one) => one.explanation?.waiting_for) || open[0];
  const e = worst?.explanation || {};
  const since = Math.min(...open.map((one) => one.explanation?.since || Infinity));
  const sentence = e.last_error ? cause(e.last_error) : e.waiting_for ? `Waiting for ${e.waiting_for}` : worst?.message || status.message || "Not as it should be";
  const others = open.filter((one) => one !== worst);
  const facts = [Number.isFinite(since) && `since ${clock(since)} (${duration(now - since)})`, e.attempts > 0 && plural(e.attempts, "failed attempt"),
    e.final ? "given up until it is deployed again" : e.next_try > now && `next try in ${duration(e.next_try - now)}`].filter(Boolean).join(" · ");
  const further = [e.last_error && cause(e.last_error) !== e.last_error && e.last_error, e.last_error && e.waiting_for && `Waiting for ${e.waiting_for}`, e.next].filter(Boolean);
  return html`<div class="why-box ${status.type}" role="status"><${Shape} state=${status.type} size="20" /><div>
    <p><b>${sentence}</b></p>
    ${facts && html`<p class="dim">${worst?.name && status.scalers.length > 1 ? `${worst.name}, ` : ""}${facts}</p>`}
    ${(further.length > 0 || others.length > 0) && html`<details><summary>${others.length ? `${plural(others.length, "more part")} of ${status.scalers.length} not as ${others.length === 1 ? "it" : "they"} should be` : "The whole story"}</summary>
      ${further.map((text) => html`<p key=${text} class="whole">${text}</p>`)}
      ${others.length > 0 && html`<ul>${others.slice(0, 50).map((one) => html`<li key=${one.id}><${Shape} state=${one.type} size="13" /> <b>${one.name}</b> ${one.explanation?.last_error ? cause(one.explanation.last_error) : one.explanation?.waiting_for ? `waiting for ${one.explanation.waiting_for}` : one.message}</li>`)}</ul>`}</details>`}
  </div></div>`;
}

function Overview({ api, name, status, version, entries, now, at, longest }) {
  const [manifest, error] = useAsked(() => api.manifest(name, version), [name, version]);
  // The timeline moves whenever something is done, so what is explained is asked for again then.
  const [why] = useAsked(() => api.explain(name), [name, status, entries[0]?.key]);
  const shared = useRows(api.name, "applications", "name").rows;
  const [picked, pick] = useState("");
  const picture = useMemo(() => {
    const instances = new Map();
    for (const one of why?.scalers || []) instances.set(one.name, [...(instances.get(one.name) || []), ...one.running]);
    return manifest && pictureOf(manifest, status.scalers, shared, instances);
  }, [manifest, status, shared, why]);
  const last = entries.find(isFailure);
  return html`<${Trouble} error=${error} />
    ${picture && html`<div class="card"><${Graph} picture=${picture} onPick=${pick} /></div>`}
    <${Charts} ask=${(seconds) => api.applicationTrend(name, seconds)} keys=${[api.name, name, status.type]} which=${["instances", "commands"]} at=${at} longest=${longest} />
    <div class="columns"><div>
      <h2>What is wanted</h2>
      ${status.scalers.length ? html`<ul class="scalers">${status.scalers.map((one) => html`
        <${Scaler} key=${one.id} scaler=${one} view=${why?.scalers?.find((view) => view.id === one.id)} now=${now} open=${picked === one.name} />`)}</ul>`
      : html`<p class="none">Nothing: no version is deployed.</p>`}
      ${why && Object.keys(why.configurations).length > 0 && html`<h2>Configurations</h2><ul class="configs">${Object.entries(why.configurations).map(([key, text]) => html`<li key=${key}><a href=${to({ view: "links", name: key })}><code>${key}</code></a><span>${text}</span></li>`)}</ul>`}
    </div><div>
      ${last && html`<h2>Last failure</h2><div class="card slim last-failure"><p class="bad">${last.text}</p><p class="dim"><${Time} time=${last.time} now=${now} />, ${ago(last.time, now)}</p></div>`}
      <h2>Lately <a href=${toApplication(name, "timeline")}>all</a></h2>
      <div class="card slim"><${Timeline} entries=${entries.slice(0, 30)} now=${now} /></div>
    </div></div>`;
}

function Scaler({ scaler, view, now, open }) {
  const e = scaler.explanation || {};
  const fine = scaler.type === "deployed";
  const runs = scaler.kind !== "LinkScaler";
  const box = useRef(null);
  useEffect(() => { if (open && box.current) box.current.open = true; }, [open]);
  const told = e.waiting_for && scaler.message.includes(e.waiting_for) ? "" : scaler.message;
  return html`<li id=${`scaler-${scaler.name}`}><details ref=${box} open=${!fine && scaler.type !== "reconciling"}>
    <summary><${Shape} state=${scaler.type} /><span class="who"><b>${scaler.name}</b><small>${scaler.kind.replace(/Scaler$/, "").toLowerCase()}${view?.wants ? `: ${view.wants}` : ""}</small></span>
      ${runs && html`<${Meter} running=${e.running || 0} wanted=${e.wanted || 0} />`}</summary>
    <div class="detail">
      <dl>
        <div><dt>State</dt><dd><${Badge} state=${scaler.type} /> ${told}</dd></div>
        ${e.waiting_for && html`<div><dt>Waiting for</dt><dd>${e.waiting_for}</dd></div>`}
        ${e.since > 0 && html`<div><dt>Since</dt><dd><${Time} time=${e.since} now=${now} /> (${duration(now - e.since)})</dd></div>`}
        ${e.last_error && html`<div><dt>Last error</dt><dd class="bad">${e.last_error}${e.attempts ? ` (${plural(e.attempts, "attempt")})` : ""}</dd></div>`}
        ${e.next_try > 0 && html`<div><dt>Next try</dt><dd>${e.next_try > now ? `in ${duration(e.next_try - now)}` : "now"}</dd></div>`}
        ${e.next && html`<div><dt>Next</dt><dd>${e.next}</dd></div>`}
        ${e.note && html`<div><dt>Note</dt><dd>${e.note}</dd></div>`}
      </dl>
      ${view?.waiting?.map((one) => html`<p key=${one.command} class="pending"><${Icon} name="command" size="12" /> ${one.command} <small>${one.state}, because ${one.reason}</small></p>`)}
      ${view?.running?.length > 0 && html`<h3>Runs on</h3><ul class="where">${view.running.map((one) => html`<li key=${one.host_id}><a href=${to({ view: "hosts", name: one.host_id })}>${one.host}</a> <small>${one.count > 1 ? `up to ${one.count}` : ""} ${one.health}</small></li>`)}</ul>`}
      ${view?.shares?.map((share) => html`<${Share} key=${share.name} share=${share} />`)}
    </div></details></li>`;
}

function Share({ share }) {
  const needs = Object.entries(share.requirements);
  return html`<div class="share"><h3>Spread ${share.name}: ${share.target} on ${plural(share.matching, "matching host")}</h3>
    <p class="dim">${needs.length ? html`Needs ${needs.map(([k, v]) => html`<code key=${k}>${k}=${v}</code> `)}` : "Any host will do."}
      ${needs.length > 0 && html`<a href=${to({ view: "hosts", query: new URLSearchParams({ q: needs.map(([k, v]) => `${k}=${v}`).join(" ") }) })}>Which hosts?</a>`}</p>
    ${!share.matching && share.unfit.length > 0 && html`<ul class="unfit">${missing(share.unfit).map((one) => html`<li key=${`${one.label} ${one.has} ${one.why}`}>${!one.label ? `${hosts(one)}: ${one.why}` : html`<code>${one.label}</code> is ${one.has ? html`<code>${one.has}</code>` : "not set"} on ${hosts(one)}, wanted <code>${one.wanted}</code>`}</li>`)}</ul>`}
  </div>`;
}

/** The hosts that a reason is about: the few by name, of many the number. */
function hosts(reason) {
  return reason.hosts.length > 3 ? plural(reason.hosts.length, "host") : reason.hosts.join(", ");
}

/** Hosts that do not fit, put together by what they lack. */
function missing(unfit) {
  const found = new Map();
  for (const one of unfit) {
    const key = one.label ? `${one.label} ${one.has}` : one.why;
    if (!found.has(key)) found.set(key, { ...one, hosts: [] });
    found.get(key).hosts.push(one.host);
  }
  return [...found.values()].slice(0, 6);
}

/** Where the instances of an application run, and where they could. */
function Spread({ api, name, status, at }) {
  const [why] = useAsked(() => api.explain(name), [name, status]);
  return html`<${Placement} api=${api} at=${at} application=${name} scalers=${why?.scalers} />`;
}

function Manifest({ api, name, version }) {
  const [manifest, error] = useAsked(() => api.manifest(name, version), [name, version]);
  if (!manifest) return error ? html`<${Trouble} error=${error} />` : html`<${Loading} what="the manifest" />`;
  return html`<p class="dim">Version ${version}, as it is stored.</p><pre class="source" tabindex="0">${yaml(manifest)}</pre>`;
}
