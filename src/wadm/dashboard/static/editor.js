// A new application, or a new version of one: from a manifest to its plan to running.

import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { openapi } from "./api.js";
import { CodeBox } from "./code.js";
import { yaml } from "./format.js";
import { Dialog, Trouble, useAsked } from "./parts.js";
import { Plan } from "./plan.js";
import { following } from "./progress.js";
import { go } from "./route.js";
import { Lines } from "./versions.js";

const NONE = [];
const CHECK_AFTER = 500; // milliseconds without a key

const kept = (key) => { try { return sessionStorage.getItem(`wadm-draft ${key}`) || ""; } catch { return ""; } };
const keep = (key, text) => { try { if (text) sessionStorage.setItem(`wadm-draft ${key}`, text); else sessionStorage.removeItem(`wadm-draft ${key}`); } catch { /* it is lost with the page */ } };

/** What the server says of a manifest while it is written: its plan, or what is wrong with it. */
function usePlan(api, text) {
  const [told, set] = useState({ plan: null, error: null, of: "" });
  useEffect(() => {
    let wanted = true;
    const timer = setTimeout(() => api.planManifest(text).then(
      (plan) => wanted && set({ plan, error: null, of: text }),
      (error) => wanted && set({ plan: null, error, of: text }),
    ), CHECK_AFTER);
    return () => { wanted = false; clearTimeout(timer); };
  }, [text]);
  return told;
}

/** The example that the OpenAPI document has of a manifest. */
const example = () => openapi().then((told) => told.paths["/api/v1/lattices/{lattice}/applications"].post.requestBody.content["application/yaml"].example);

export default function NewApplication({ api, onClose }) {
  const [text, error] = useAsked(example, []);
  if (text === null && !error) return null;
  return html`<${Editor} api=${api} onClose=${onClose} text=${text || ""} title="New application" draft=${`${api.name}/`} />`;
}

/** `text` is what there is to begin with, `draft` the name under which it is kept if one leaves without storing it. */
export function Editor({ api, onClose, text: first, title, draft: key }) {
  const [before] = useState(() => kept(key));
  const [text, setText] = useState(before || first);
  const [failure, setFailure] = useState(null);
  const [busy, setBusy] = useState("");
  const [way, setWay] = useState("plan");
  const { plan, error, of } = usePlan(api, text);
  const current = of === text;
  const done = useRef(false);
  const [round, setRound] = useState(0);
  const begin = (other) => { setText(other); setRound((n) => n + 1); };
  useEffect(() => { if (!done.current) keep(key, text === first ? "" : text); }, [text]);
  const doing = (what, work) => async () => {
    setBusy(what);
    setFailure(null);
    try { await work(); } catch (refused) { setFailure(refused); }
    setBusy("");
  };
  const stored = async () => {
    const put = await api.put(text);
    done.current = true;
    keep(key, "");
    return put;
  };
  const leave = (name) => { onClose(); go({ view: "applications", name }); };
  const store = doing("store", async () => leave((await stored()).name));
  const deploy = doing("deploy", async () => {
    const follow = following(`${api.name}/${plan.application}`, "deploy");
    const put = await stored();
    // The id of a plan does not depend on the version, which the manifest may have been given only now.
    try { await api.deploy(put.name, { version: put.current_version, plan: plan.id }); } catch (refused) {
      refused.message = `${put.current_version} is stored, but was not deployed: ${refused.message}`;
      throw refused;
    }
    follow({ ...plan, version: put.current_version });
    leave(put.name);
  });
  const dropped = async (event) => {
    event.preventDefault();
    const file = event.dataTransfer?.files?.[0] || event.target.files?.[0];
    if (file && file.size < 4e6) begin(await file.text());
  };
  const guard = () => (text !== first ? "Close the editor? What was written is kept as a draft until this tab is closed." : "");
  const problems = error?.problems || NONE;
  return html`<${Dialog} title=${title} onClose=${onClose} wide=${true} guard=${guard}>
    <div class="body" onDragOver=${(event) => event.preventDefault()} onDrop=${dropped}>
      <p class="dim">A manifest as YAML or JSON: write it, drop a file, or <label class="file">choose one<input type="file" accept=".yaml,.yml,.json" onChange=${dropped} /></label>.
        ${before && html` A draft was kept. <button class="text" onClick=${() => begin(first)}>Begin anew</button>`}</p>
      <${CodeBox} key=${round} text=${text} onText=${setText} problems=${current ? problems : NONE} />
      <${Trouble} error=${failure} />
      <div class="ways" role="group" aria-label="Show">${[["plan", "Plan"], ["diff", "Difference"]].map(([one, name]) => html`<button key=${one} class="small" aria-pressed=${way === one} onClick=${() => setWay(one)}>${name}</button>`)}<span class="dim" role="status">${!current ? "Planning …" : error ? html`<span class="bad">${problems.length > 1 ? `${problems.length} problems` : "Not valid"}</span>` : "Valid"}</span></div>
      ${way === "diff" ? html`<${AgainstDeployed} api=${api} plan=${plan} text=${text} />` : plan ? html`<div class=${current ? "" : "old"}><${Plan} plan=${plan} /></div>` : html`<${Trouble} error=${error} />`}
    </div>
    <footer><span class="space"></span>
      <button onClick=${store} disabled=${busy || !current || (error && error.status === 400)}>Store only</button>
      <button class="primary" onClick=${deploy} disabled=${busy || !current || !plan}>${busy === "deploy" ? "Deploying …" : "Store and deploy"}</button></footer>
  <//>`;
}

/** What differs from the version that runs, or from the newest. */
function AgainstDeployed({ api, plan, text }) {
  const name = plan?.application;
  const [other, missing] = useAsked(async () => {
    if (!name) return null;
    const versions = await api.versions(name);
    const version = versions.find((one) => one.deployed)?.version || versions[versions.length - 1].version;
    const { version: _, ...annotations } = (await api.manifest(name, version)).metadata.annotations || {};
    const manifest = await api.manifest(name, version);
    return { version, text: yaml({ ...manifest, metadata: { ...manifest.metadata, annotations } }) };
  }, [name]);
  if (!name) return html`<p class="none">Once the manifest is valid, it is compared with what runs.</p>`;
  if (missing) return html`<p class="none">${missing.status === 404 ? `${name} is new: there is nothing to compare with.` : missing.message}</p>`;
  if (!other) return html`<p class="loading">Loading what runs …</p>`;
  return html`<p class="dim">From version ${other.version}:</p><${Lines} before=${other.text} after=${text} />`;
}
