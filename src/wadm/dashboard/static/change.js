// What changes an application: the plan first, then whoever looks at it decides; what is done then is that very plan.

import { html, useEffect, useState } from "./vendor/preact.js";
import { yaml } from "./format.js";
import { Editor } from "./editor.js";
import { Dialog, Loading, Trouble, useAsked } from "./parts.js";
import { Plan } from "./plan.js";
import { following } from "./progress.js";
import { go } from "./route.js";
import { Choice, Difference } from "./versions.js";

const WORDS = {
  deploy: ["Deploy", "Have this version run", "primary"],
  rollback: ["Roll back", "Go back to this version", "primary"],
  undeploy: ["Undeploy", "Take it down; its versions stay stored", "danger"],
};

/** Deploy, roll back, undeploy. `wanted` is the version to begin with; a rollback goes where the server says. */
export function Change({ what, api, name, versions, wanted, onClose }) {
  const [title, about, look] = WORDS[what];
  const order = [...versions].reverse();
  const deployed = versions.find((one) => one.deployed)?.version;
  const [version, setVersion] = useState(what === "rollback" ? wanted || "" : wanted || order[0]?.version);
  const [message, setMessage] = useState("");
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState(null);
  const said = what === "undeploy" ? { undeploy: true } : what === "rollback" ? { rollback: true, version } : { version };
  const [plan, error, again] = useAsked(() => api.plan(name, said), [name, version, what]);
  useEffect(() => { if (what === "rollback" && plan && !version) setVersion(plan.version); }, [plan]);
  const current = plan && (what === "undeploy" || plan.version === version) ? plan : null;
  const target = what === "undeploy" ? "" : current?.version || version;
  const act = async () => {
    setBusy(true);
    setFailure(null);
    const follow = following(`${api.name}/${name}`, what);
    try {
      await api[what](name, { message, ...(what === "undeploy" ? {} : { version: target }), ...(current ? { plan: current.id } : {}) });
      follow(current);
      onClose();
    } catch (refused) {
      setFailure(refused);
      setBusy(false);
      again();
    }
  };
  const others = what === "rollback" ? order.filter((one) => !one.deployed) : order;
  return html`<${Dialog} title=${`${title} ${name}`} onClose=${onClose} wide=${true}>
    <div class="body">
      <p class="dim">${what === "rollback" && !version && error ? "Choose a version to go back to" : about}.</p>
      ${what !== "undeploy" && html`<${Choice} label="Version" value=${version} set=${setVersion} versions=${others} empty=${what === "rollback" && !version} />`}
      ${deployed && target && target !== deployed && html`<details class="changes"><summary>What differs from ${deployed}</summary><${Difference} api=${api} name=${name} left=${deployed} right=${target} /></details>`}
      ${current ? html`<${Plan} plan=${current} />` : error ? html`<div class="trouble"><div><p>It cannot be foreseen what this would do: ${error.message}.</p></div></div>` : html`<${Loading} what="the plan" />`}
      <label class="field">What for <input type="text" data-first maxlength="1000" placeholder="Kept with the revision (optional)" value=${message} onInput=${(event) => setMessage(event.target.value)} /></label>
      <${Trouble} error=${failure} />
    </div>
    <footer><span class="space"></span><button onClick=${onClose}>Cancel</button><button class=${look} onClick=${act} disabled=${busy || !(current || (error && (version || what === "undeploy")))}>${title}</button></footer>
  <//>`;
}

export function Delete({ api, name, deployed, onClose }) {
  const [typed, setTyped] = useState("");
  const [error, setError] = useState(null);
  const act = async (event) => {
    event.preventDefault();
    if (typed !== name) return;
    try { await api.remove(name); go({ view: "applications" }); } catch (failure) { setError(failure); }
  };
  return html`<${Dialog} title=${`Delete ${name}`} onClose=${onClose}><form onSubmit=${act}>
    <div class="body"><p>All its versions are gone then${deployed ? html`, and what runs of it is <b>taken down</b>` : ""}. This cannot be undone.</p>
      <label class="field"><span>Type <b>${name}</b> to go on</span><input type="text" data-first value=${typed} onInput=${(event) => setTyped(event.target.value)} autocomplete="off" /></label>
      <${Trouble} error=${error} /></div>
    <footer><span class="space"></span><button type="button" onClick=${onClose}>Cancel</button><button class="danger" disabled=${typed !== name}>Delete</button></footer></form><//>`;
}

export function NewVersion({ api, name, version, onClose }) {
  const [manifest, error] = useAsked(() => api.manifest(name, version), [name, version]);
  if (!manifest) return error ? html`<${Trouble} error=${error} />` : null;
  const { version: stored, ...annotations } = manifest.metadata.annotations || {};
  const fresh = { ...manifest, metadata: { ...manifest.metadata, annotations } };
  return html`<${Editor} api=${api} onClose=${onClose} title=${`New version of ${name}`} text=${yaml(fresh)} draft=${`${api.name}/${name}`} />`;
}
