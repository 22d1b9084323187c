// One application: how it is and why, what happened, its versions, and what one can do about it.

import { html, useEffect, useMemo, useState } from "./vendor/preact.js";
import { NewApplication } from "./editor.js";
import { ago, clock, difference, duration, hunks, plural, yaml } from "./format.js";
import { Graph, pictureOf } from "./graph.js";
import { Meter } from "./applications.js";
import { Plan } from "./plan.js";
import { Badge, Dialog, gathered, Icon, Loading, Shape, Timeline, Trouble, useAsked, useNow } from "./parts.js";

const TABS = [["overview", "Overview"], ["timeline", "Timeline"], ["versions", "Versions"], ["manifest", "Manifest"]];

/** The live status and timeline of an application. */
function useLive(api, name, onLink) {
  const [status, setStatus] = useState(null);
  const [entries, setEntries] = useState([]);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    let wanted = true;
    api.events(name, { limit: 300 }).then((reply) => wanted && setEntries((before) => gathered(before, reply.events || [])), () => {});
    const stop = api.followApplication(name, {
      state: onLink,
      status: (data) => { setStatus(data); setProblem(""); },
      timeline: (more) => setEntries((before) => gathered(before, more)),
      problem: (data) => setProblem(data.message),
    });
    return () => { wanted = false; stop(); };
  }, [api.name, name]);
  return { status, entries, problem };
}

export function Application({ api, full, at, onLink }) {
  const name = at.name;
  const { status, entries, problem } = useLive(api, name, onLink);
  const [versions, missing, again] = useAsked(() => api.versions(name), [api.name, name, status?.type]);
  const [dialog, setDialog] = useState("");
  const now = useNow();
  const tab = TABS.some(([key]) => key === at.tab) ? at.tab : "overview";
  if (missing?.status === 404) {
    return html`<section class="empty"><h1>${name} is not there</h1><p>${missing.message}.</p><p><a href="#/applications">All applications</a></p></section>`;
  }
  if (!versions || !status) return missing || problem ? html`<${Trouble} error=${missing || { message: problem }} />` : html`<${Loading} what=${name} />`;
  const deployed = versions.find((one) => one.deployed)?.version;
  const newest = versions[versions.length - 1]?.version;
  const close = () => { setDialog(""); again(); };
  const open = (what) => () => setDialog(what);
  return html`<section class="application">
    <a class="up" href="#/applications"><${Icon} name="back" size="13" />Applications</a>
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
    <${Reason} status=${status} now=${now} />
    <nav class="tabs" aria-label="Parts">${TABS.map(([key, title]) => html`
      <a key=${key} href=${`#/applications/${encodeURIComponent(name)}/${key}`} aria-current=${tab === key ? "page" : undefined}>${title}${key === "versions" ? html` <small>${versions.length}</small>` : ""}</a>`)}</nav>
    ${tab === "overview" && html`<${Overview} api=${api} name=${name} status=${status} version=${deployed || newest} entries=${entries} now=${now} />`}
    ${tab === "timeline" && html`<div class="card"><${Timeline} entries=${entries} now=${now} clock=${clock} ago=${ago} /></div>`}
    ${tab === "versions" && html`<${Versions} api=${api} name=${name} versions=${versions} status=${status} now=${now} />`}
    ${tab === "manifest" && html`<${Manifest} api=${api} name=${name} version=${deployed || newest} />`}
    ${["deploy", "rollback", "undeploy"].includes(dialog) && html`<${Change} what=${dialog} api=${api} name=${name} versions=${versions} deployed=${deployed} onClose=${close} />`}
    ${dialog === "delete" && html`<${Delete} api=${api} name=${name} deployed=${deployed} onClose=${close} />`}
    ${dialog === "new" && html`<${NewVersion} api=${api} name=${name} version=${newest} onClose=${close} />`}
  </section>`;
}

/** The one sentence that matters while something is not as it should be. */
function Reason({ status, now }) {
  if (status.type === "deployed" || status.type === "undeployed") return null;
  const open = status.scalers.filter((one) => one.type !== "deployed");
  const told = open.map((one) => one.explanation || {});
  const bad = open.find((one) => one.explanation?.last_error);
  const worst = bad || open.find((one) => one.explanation?.waiting_for) || open[0];
  const e = worst?.explanation || {};
  const since = Math.min(...told.map((one) => one.since || Infinity));
  return html`<div class="why-box ${status.type}" role="status"><${Shape} state=${status.type} size="20" /><div>
    <p><b>${e.waiting_for ? `Waiting for ${e.waiting_for}` : worst?.message || status.message}</b></p>
    ${e.last_error && html`<p class="bad">${e.last_error}</p>`}
    <p class="dim">${[Number.isFinite(since) && `since ${clock(since)} (${duration(now - since)})`,
      e.attempts > 0 && `${plural(e.attempts, "failed attempt")}`,
      e.next_try > now && `next try in ${duration(e.next_try - now)}`, e.next].filter(Boolean).join(" · ")}</p>
  </div></div>`;
}

function Overview({ api, name, status, version, entries, now }) {
  const [manifest, error] = useAsked(() => api.manifest(name, version), [name, version]);
  // The timeline moves whenever something is done, so what is explained is asked for again then.
  const [why] = useAsked(() => api.explain(name), [name, status, entries[0]?.key]);
  const [picked, pick] = useState("");
  const picture = useMemo(() => manifest && pictureOf(manifest, status.scalers), [manifest, status]);
  const choose = (id) => { pick(id); document.getElementById(`scaler-${id}`)?.scrollIntoView({ behavior: "smooth", block: "nearest" }); };
  return html`<${Trouble} error=${error} />
    ${picture && html`<div class="card"><${Graph} picture=${picture} onPick=${choose} /></div>`}
    <div class="columns"><div>
      <h2>What is wanted</h2>
      ${status.scalers.length ? html`<ul class="scalers">${status.scalers.map((one) => html`
        <${Scaler} key=${one.id} scaler=${one} view=${why?.scalers?.find((view) => view.id === one.id)} now=${now} open=${picked === one.name} />`)}</ul>`
      : html`<p class="none">Nothing: no version is deployed.</p>`}
      ${why && Object.keys(why.configurations).length > 0 && html`<h2>Configurations</h2><ul class="configs">${Object.entries(why.configurations).map(([key, text]) => html`<li key=${key}><code>${key}</code><span>${text}</span></li>`)}</ul>`}
    </div><div>
      <h2>Lately <a href=${`#/applications/${encodeURIComponent(name)}/timeline`}>all</a></h2>
      <div class="card slim"><${Timeline} entries=${entries.slice(0, 14)} now=${now} clock=${clock} ago=${ago} /></div>
    </div></div>`;
}

function Scaler({ scaler, view, now, open }) {
  const e = scaler.explanation || {};
  const fine = scaler.type === "deployed";
  const runs = scaler.kind !== "LinkScaler";
  return html`<li id=${`scaler-${scaler.name}`}><details open=${open || !fine}>
    <summary><${Shape} state=${scaler.type} /><span class="who"><b>${scaler.name}</b><small>${scaler.kind.replace(/Scaler$/, "").toLowerCase()}${view?.wants ? `: ${view.wants}` : ""}</small></span>
      ${runs && html`<${Meter} running=${e.running || 0} wanted=${e.wanted || 0} />`}</summary>
    <div class="detail">
      <dl>
        <div><dt>State</dt><dd><${Badge} state=${scaler.type} /> ${scaler.message}</dd></div>
        ${e.waiting_for && html`<div><dt>Waiting for</dt><dd>${e.waiting_for}</dd></div>`}
        ${e.since > 0 && html`<div><dt>Since</dt><dd>${clock(e.since)} (${duration(now - e.since)})</dd></div>`}
        ${e.last_error && html`<div><dt>Last error</dt><dd class="bad">${e.last_error}${e.attempts ? ` (${plural(e.attempts, "attempt")})` : ""}</dd></div>`}
        ${e.next_try > 0 && html`<div><dt>Next try</dt><dd>${e.next_try > now ? `in ${duration(e.next_try - now)}` : "now"}</dd></div>`}
        ${e.next && html`<div><dt>Next</dt><dd>${e.next}</dd></div>`}
      </dl>
      ${view?.waiting?.map((one) => html`<p key=${one.command} class="pending"><${Icon} name="command" size="12" /> ${one.command} <small>${one.state}, because ${one.reason}</small></p>`)}
      ${view?.running?.length > 0 && html`<h3>Runs on</h3><ul class="where">${view.running.map((one) => html`<li key=${one.host_id}><a href=${`#/hosts?q=${one.host_id}`}>${one.host}</a> <small>${one.count > 1 ? `up to ${one.count}` : ""} ${one.health}</small></li>`)}</ul>`}
      ${view?.shares?.map((share) => html`<div key=${share.name} class="share"><h3>Spread ${share.name}: ${share.target} on ${plural(share.matching, "matching host")}</h3>
        <p class="dim">${Object.keys(share.requirements).length ? html`Needs ${Object.entries(share.requirements).map(([k, v]) => html`<code key=${k}>${k}=${v}</code> `)}` : "Any host will do."}
          ${Object.keys(share.requirements).length > 0 && html`<a href=${`#/hosts?q=${encodeURIComponent(Object.entries(share.requirements).map(([k, v]) => `${k}=${v}`).join(" "))}`}>Which hosts?</a>`}</p>
        ${!share.matching && share.unfit.length > 0 && html`<ul class="unfit">${share.unfit.slice(0, 6).map((one) => html`<li key=${one.host_id}>${one.host}: <code>${one.label}</code> is ${one.has ? html`<code>${one.has}</code>` : "not set"}, wanted <code>${one.wanted}</code></li>`)}</ul>`}
      </div>`)}
    </div></details></li>`;
}

function Versions({ api, name, versions, status, now }) {
  const [history] = useAsked(() => api.history(name).catch(() => []), [name, status.type]);
  const order = [...versions].reverse();
  const [left, setLeft] = useState(order[1]?.version || "");
  const [right, setRight] = useState(order[0]?.version || "");
  return html`<div class="columns"><div>
    <h2>Stored</h2><ul class="versions">${order.map((one) => html`<li key=${one.version}><b>${one.version}</b>${one.deployed && html`<span class="pill ok">deployed</span>`}</li>`)}</ul>
    <h2>Deployments</h2>${history?.length ? html`<ol class="revisions">${[...history].reverse().map((one) => html`<li key=${one.number}>
      <span class="no">${one.number}</span><div><b>${one.action}</b> ${one.version || ""} ${one.outcome ? html`<small>${one.outcome}${one.seconds ? ` after ${duration(one.seconds)}` : ""}</small>` : html`<small>under way</small>`}
      ${(one.author || one.message) && html`<p>${one.author}${one.author && one.message ? ": " : ""}${one.message}</p>`}</div><time title=${clock(one.time)}>${ago(one.time, now)}</time></li>`)}</ol>` : html`<p class="none">None yet.</p>`}
  </div><div>
    <h2>What differs</h2>
    ${versions.length > 1 ? html`<div class="compare"><${Choice} label="From" value=${left} set=${setLeft} versions=${order} /><span>→</span><${Choice} label="To" value=${right} set=${setRight} versions=${order} /></div>
      <${Difference} api=${api} name=${name} left=${left} right=${right} />` : html`<p class="none">There is one version only.</p>`}
  </div></div>`;
}

const Choice = ({ label, value, set, versions }) => html`<label>${label} <select value=${value} onChange=${(event) => set(event.target.value)}>${versions.map((one) => html`<option key=${one.version} value=${one.version}>${one.version}${one.deployed ? " (deployed)" : ""}</option>`)}</select></label>`;

function Difference({ api, name, left, right }) {
  const [both, error] = useAsked(() => Promise.all([api.manifest(name, left), api.manifest(name, right)]), [name, left, right]);
  if (error) return html`<${Trouble} error=${error} />`;
  if (!both) return html`<${Loading} what="both versions" />`;
  const lines = hunks(difference(yaml(both[0]), yaml(both[1])));
  if (!lines.some((line) => line && line.sign !== " ")) return html`<p class="none">They are the same.</p>`;
  return html`<pre class="diff" tabindex="0" aria-label="Differences">${lines.map((line, at) => (line === null
    ? html`<span key=${at} class="gap">⋯</span>`
    : html`<span key=${at} class=${line.sign === "+" ? "add" : line.sign === "-" ? "del" : ""}><i>${line.sign}</i>${line.text || " "}</span>`))}</pre>`;
}

function Manifest({ api, name, version }) {
  const [manifest, error] = useAsked(() => api.manifest(name, version), [name, version]);
  if (!manifest) return error ? html`<${Trouble} error=${error} />` : html`<${Loading} what="the manifest" />`;
  return html`<p class="dim">Version ${version}, as it is stored.</p><pre class="source" tabindex="0">${yaml(manifest)}</pre>`;
}

const WORDS = {
  deploy: ["Deploy", "Have this version run", "primary"],
  rollback: ["Roll back", "Go back to this version", "primary"],
  undeploy: ["Undeploy", "Take it down; its versions stay stored", "danger"],
};

/** Deploy, roll back, undeploy: the plan first, then whoever looks at it decides. */
function Change({ what, api, name, versions, deployed, onClose }) {
  const [title, about, look] = WORDS[what];
  const order = [...versions].reverse();
  const older = order.filter((one) => !one.deployed);
  const before = order[order.findIndex((one) => one.deployed) + 1]?.version || older[0]?.version;
  const [version, setVersion] = useState(what === "rollback" ? before : order[0]?.version);
  const [message, setMessage] = useState("");
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState(null);
  const wanted = what === "undeploy" ? { undeploy: true } : { version };
  const [plan, error, again] = useAsked(() => api.plan(name, wanted), [name, version, what]);
  const current = plan && (what === "undeploy" || plan.version === version);
  const act = async () => {
    setBusy(true);
    setFailure(null);
    try {
      if (what === "undeploy") await api.undeploy(name, { message });
      else if (what === "rollback") await api.rollback(name, { version, message });
      else await api.deploy(name, { version, message, ...(plan ? { plan: plan.id } : {}) });
      onClose();
    } catch (refused) {
      setFailure(refused);
      setBusy(false);
      again();
    }
  };
  return html`<${Dialog} title=${`${title} ${name}`} onClose=${onClose} wide=${true}>
    <div class="body">
      <p class="dim">${about}.</p>
      ${what !== "undeploy" && html`<${Choice} label="Version" value=${version} set=${setVersion} versions=${what === "rollback" ? older : order} />`}
      ${current ? html`<${Plan} plan=${plan} />` : error ? html`<div class="trouble"><div><p>It cannot be foreseen what this would do: ${error.message}</p></div></div>` : html`<${Loading} what="the plan" />`}
      <label class="field">What for <input type="text" maxlength="1000" placeholder="Kept with the revision (optional)" value=${message} onInput=${(event) => setMessage(event.target.value)} /></label>
      <${Trouble} error=${failure} />
    </div>
    <footer><span class="space"></span><button onClick=${onClose}>Cancel</button><button class=${look} onClick=${act} disabled=${busy || !(current || error)}>${title}</button></footer>
  <//>`;
}

function Delete({ api, name, deployed, onClose }) {
  const [typed, setTyped] = useState("");
  const [error, setError] = useState(null);
  const act = async () => {
    try { await api.remove(name); location.hash = "#/applications"; } catch (failure) { setError(failure); }
  };
  return html`<${Dialog} title=${`Delete ${name}`} onClose=${onClose}>
    <div class="body"><p>All its versions are gone then${deployed ? html`, and what runs of it is <b>taken down</b>` : ""}. This cannot be undone.</p>
      <label class="field"><span>Type <b>${name}</b> to go on</span><input type="text" value=${typed} onInput=${(event) => setTyped(event.target.value)} autocomplete="off" /></label>
      <${Trouble} error=${error} /></div>
    <footer><span class="space"></span><button onClick=${onClose}>Cancel</button><button class="danger" disabled=${typed !== name} onClick=${act}>Delete</button></footer><//>`;
}

function NewVersion({ api, name, version, onClose }) {
  const [manifest, error] = useAsked(() => api.manifest(name, version), [name, version]);
  if (!manifest) return error ? html`<${Trouble} error=${error} />` : null;
  const { version: stored, ...annotations } = manifest.metadata.annotations || {};
  const fresh = { ...manifest, metadata: { ...manifest.metadata, annotations } };
  return html`<${NewApplication} api=${api} onClose=${onClose} title=${`New version of ${name}`} text=${yaml(fresh)} />`;
}
