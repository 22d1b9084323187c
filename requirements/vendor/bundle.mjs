// Makes a bundle of each library that the page uses, with the licences of all that is in it: `node bundle.mjs DIRECTORY`.

import { build } from "esbuild";
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const out = process.argv[2];
mkdirSync(out, { recursive: true });

/** The packages that a bundle holds, by what esbuild has read. */
function packages(metafile) {
  const found = new Set();
  for (const path of Object.keys(metafile.inputs)) {
    const name = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
    if (name) found.add(name);
  }
  return [...found].sort();
}

function licence(name) {
  const root = join("node_modules", name);
  const { version, license } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const file = readdirSync(root).find((one) => /^licen[cs]e/i.test(one));
  if (!file && !existsSync(root)) throw new Error(`${name} has no licence`);
  const text = file ? readFileSync(join(root, file), "utf8").trim() : `Licensed under ${license}.`;
  return `${name} ${version} (${license})\n\n${text}\n`;
}

for (const name of ["codemirror", "dagre", "uplot"]) {
  const { metafile } = await build({
    entryPoints: [`${name}.js`], outfile: join(out, `${name}.js`), bundle: true, minify: true, format: "esm", target: "es2022",
    legalComments: "none", charset: "utf8", metafile: true, logLevel: "warning",
  });
  writeFileSync(join(out, `LICENSE-${name}`), packages(metafile).map(licence).join(`\n${"-".repeat(79)}\n\n`));
}
// The style sheet that belongs to the charts.
copyFileSync("node_modules/uplot/dist/uPlot.min.css", join(out, "uplot.css"));
// Preact comes with htm in one file that is taken as it is.
copyFileSync("node_modules/htm/preact/standalone.module.js", join(out, "preact.js"));
const { version } = JSON.parse(readFileSync("node_modules/htm/package.json", "utf8"));
writeFileSync(join(out, "LICENSE-preact"), `htm ${version} (Apache-2.0, Copyright Google LLC) with Preact inside:\n\n${readFileSync("preact-licence.txt", "utf8")}`);
