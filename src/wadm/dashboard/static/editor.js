// A new application, or a new version of one: from a manifest to its plan to running.

import { html, useState } from "./vendor/preact.js";
import { Plan } from "./plan.js";
import { Dialog, Trouble } from "./parts.js";

const EXAMPLE = `apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: hello
  annotations:
    description: Answers every HTTP request with a greeting
spec:
  components:
    - name: greeter
      type: component
      properties:
        image: ghcr.io/wasmcloud/components/http-hello-world-rust:0.1.0
      traits:
        - type: spreadscaler
          properties:
            instances: 6
    - name: httpserver
      type: capability
      properties:
        image: ghcr.io/wasmcloud/http-server:0.27.0
      traits:
        - type: spreadscaler
          properties:
            instances: 1
        - type: link
          properties:
            namespace: wasi
            package: http
            interfaces: [incoming-handler]
            target:
              name: greeter
            source:
              config:
                - name: listen-on
                  properties:
                    address: 127.0.0.1:8000
`;

export function NewApplication({ api, onClose, text: given, title = "New application" }) {
  const [text, setText] = useState(given ?? EXAMPLE);
  const [plan, setPlan] = useState(null);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState("");
  const doing = (what, work) => async () => {
    setBusy(what);
    setError(null);
    try { await work(); } catch (failure) { setError(failure); }
    setBusy("");
  };
  const check = doing("check", async () => setPlan(await api.planManifest(text)));
  const store = doing("store", async () => {
    const stored = await api.put(text);
    location.hash = `#/applications/${encodeURIComponent(stored.name)}`;
    onClose();
  });
  const deploy = doing("deploy", async () => {
    const stored = await api.put(text);
    await api.deploy(stored.name, { version: stored.current_version });
    location.hash = `#/applications/${encodeURIComponent(stored.name)}`;
    onClose();
  });
  const dropped = async (event) => {
    event.preventDefault();
    const file = event.dataTransfer?.files?.[0] || event.target.files?.[0];
    if (file && file.size < 4e6) { setText(await file.text()); setPlan(null); }
  };
  return html`<${Dialog} title=${title} onClose=${onClose} wide=${true}>
    <div class="body">
      <p class="dim">A manifest as YAML or JSON: write it, drop a file, or <label class="file">choose one<input type="file" accept=".yaml,.yml,.json" onChange=${dropped} /></label>.</p>
      <textarea class="code" spellcheck=${false} aria-label="Manifest" value=${text} onInput=${(event) => { setText(event.target.value); setPlan(null); }} onDragOver=${(event) => event.preventDefault()} onDrop=${dropped}></textarea>
      <${Trouble} error=${error} />
      ${plan && html`<${Plan} plan=${plan} />`}
    </div>
    <footer><button onClick=${check} disabled=${busy}>${busy === "check" ? "Planning …" : "See the plan"}</button><span class="space"></span>
      <button onClick=${store} disabled=${busy}>Store only</button>
      <button class="primary" onClick=${deploy} disabled=${busy}>${busy === "deploy" ? "Deploying …" : "Store and deploy"}</button></footer>
  <//>`;
}
