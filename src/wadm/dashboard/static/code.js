// A box to write a manifest in.

import { html } from "./vendor/preact.js";

export function CodeBox({ text, onText }) {
  return html`<textarea class="code" data-first spellcheck=${false} aria-label="Manifest" value=${text} onInput=${(event) => onText(event.target.value)}></textarea>`;
}
