// The box in which manifests are written: coloured, completed from the schema of manifests, with what is wrong marked where
// it is. In a shadow root, where CodeMirror adds constructed style sheets: the policy of the page allows no others.

import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { openapi } from "./api.js";
import { completionsAt } from "./schema.js";

let loading = null;
const load = () => (loading = loading || Promise.all([import("./vendor/codemirror.js"), openapi().catch(() => null)]));

function look(cm) {
  const { tags } = cm;
  return [
    cm.EditorView.theme({
      "&": { fontSize: "12.5px", backgroundColor: "var(--sunk)", color: "var(--text)", border: "1px solid var(--strong)", borderRadius: "8px", maxHeight: "44dvh", minHeight: "240px" },
      "&.cm-focused": { outline: "2px solid var(--focus)", outlineOffset: "1px" },
      ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5", overflow: "auto", minHeight: "238px" },
      ".cm-gutters": { backgroundColor: "var(--sunk)", color: "var(--dim)", border: "0" },
      ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in srgb, var(--accent) 9%, transparent)" },
      ".cm-cursor": { borderLeftColor: "var(--text)" },
      ".cm-tooltip": { backgroundColor: "var(--card)", color: "var(--text)", border: "1px solid var(--strong)", borderRadius: "8px", maxWidth: "420px" },
      ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--accent-text)" },
      ".cm-completionInfo": { padding: "6px 10px", whiteSpace: "normal" },
      ".cm-diagnostic": { whiteSpace: "pre-wrap", padding: "5px 9px" }, ".cm-diagnostic-error": { borderLeftColor: "var(--failed)" },
      ".cm-panels": { backgroundColor: "var(--card)", color: "var(--text)" },
    }),
    cm.syntaxHighlighting(cm.HighlightStyle.define([
      { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--reconciling)" }, { tag: [tags.string, tags.content], color: "var(--text)" },
      { tag: [tags.number, tags.bool, tags.null], color: "var(--unhealthy)" }, { tag: tags.comment, color: "var(--dim)", fontStyle: "italic" },
      { tag: [tags.separator, tags.punctuation], color: "var(--dim)" }, { tag: [tags.labelName, tags.typeName], color: "var(--accent)" },
    ])),
  ];
}

/** What the server says is wrong, where it is written. */
function marks(state, problems) {
  return problems.filter((one) => one.line > 0 && one.line <= state.doc.lines).map((one) => {
    const line = state.doc.line(one.line);
    const from = Math.min(line.to, line.from + Math.max(0, (one.column || 1) - 1));
    return { from, to: Math.max(line.to, from), severity: one.level === "warning" ? "warning" : "error", message: [one.message, one.hint].filter(Boolean).join("\n") };
  });
}

/** `text` is what there is at first: what is written then is told to `onText`. For another text make another box (a `key`). */
export function CodeBox({ text, onText, problems }) {
  const box = useRef(null);
  const view = useRef(null);
  const cm = useRef(null);
  const [failed, setFailed] = useState(false);
  const change = useRef(onText);
  change.current = onText;
  useEffect(() => {
    let gone = false;
    load().then(([found, document]) => {
      if (gone) return;
      cm.current = found;
      const schemas = document?.components.schemas;
      const complete = (context) => {
        const told = schemas && completionsAt(context.state.doc.toString(), context.pos, schemas);
        return told && (context.explicit || told.to > told.from) ? { from: told.from, options: told.options, validFor: /^[\w-]*$/ } : null;
      };
      const root = box.current.attachShadow({ mode: "open" });
      const extensions = [
        found.lineNumbers(), found.foldGutter(), found.lintGutter(), found.history(), found.indentOnInput(), found.bracketMatching(),
        found.highlightActiveLine(), found.highlightActiveLineGutter(), found.yaml(), look(found), found.EditorView.lineWrapping,
        found.autocompletion({ override: [complete], icons: false }),
        found.keymap.of([...found.completionKeymap, ...found.defaultKeymap, ...found.historyKeymap, ...found.foldKeymap, ...found.lintKeymap]),
        found.EditorView.contentAttributes.of({ "aria-label": "Manifest", spellcheck: "false" }),
        found.EditorView.updateListener.of((update) => { if (update.docChanged) change.current(update.state.doc.toString()); }),
      ];
      view.current = new found.EditorView({ state: found.EditorState.create({ doc: text, extensions }), parent: root, root });
      view.current.focus();
    }, () => !gone && setFailed(true));
    return () => { gone = true; view.current?.destroy(); };
  }, []);
  useEffect(() => {
    const shown = view.current;
    if (shown) shown.dispatch(cm.current.setDiagnostics(shown.state, marks(shown.state, problems)));
  }, [problems]);
  // Where the editor cannot be loaded one can write all the same.
  if (failed) return html`<textarea class="code" data-first spellcheck=${false} aria-label="Manifest" value=${text} onInput=${(event) => onText(event.target.value)}></textarea>`;
  return html`<div class="editor" ref=${box}></div>`;
}
