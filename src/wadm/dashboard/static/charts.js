// Numbers over time, with deployments marked. The chart library is loaded when the first chart is looked at.

import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { clock, duration, number, plural } from "./format.js";
import { Loading, Time, Trouble, useNow } from "./parts.js";
import { toApplication, useQuery } from "./route.js";
import { lastOf, remember } from "./spark.js";

const TALL = 132; // of a chart
const FEWEST = 24; // slots that are shown of a server that has not listened for longer
const MOST_LINES = 40; // deployments that are drawn as lines; of more only the marks above
const NEAR = 6; // pixels from a deployment within which it is pointed at
const RANGES = [[3600, "Hour"], [86400, "Day"], [604800, "Week"], [2592000, "30 days"]];

let loading = null;
function library() {
  loading = loading || Promise.all([import("./vendor/uplot.js"), sheet("vendor/uplot.css")]).then(([found]) => found.default);
  loading.catch(() => { loading = null; });
  return loading;
}

const sheet = (href) => new Promise((done, failed) => {
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href, onload: done, onerror: failed });
  document.head.append(link);
});

/** What a trend is of, asked for again as it goes on: `[trend, error]`. */
function useTrend(ask, last, keys) {
  const [state, set] = useState({ last: 0, trend: null, error: null });
  useEffect(() => {
    let wanted = true;
    let timer = 0;
    const again = () => {
      timer = setTimeout(again, last <= 3600 ? 15000 : 60000);
      if (document.visibilityState !== "visible") return;
      ask(last).then((trend) => { remember(trend.since); if (wanted) set({ last, trend: trimmed(trend), error: null }); }, (error) => wanted && set((before) => ({ ...before, error })));
    };
    again();
    return () => { wanted = false; clearTimeout(timer); };
  }, [...keys, last]);
  return [state.trend, state.error];
}

/** What there is to see of a trend: empty slots before anything was known are left out. */
function trimmed(trend) {
  const rows = Object.values(trend.rows);
  const slots = rows[0]?.length || 0;
  const told = Math.min(...rows.map((row) => { const at = row.findIndex((one) => one); return at < 0 ? slots : at; }), trend.since ? Math.floor((trend.since - trend.begin) / trend.step) : slots);
  const first = Math.max(0, Math.min(told - 1, slots - FEWEST));
  return { ...trend, begin: trend.begin + first * trend.step, rows: Object.fromEntries(Object.entries(trend.rows).map(([key, row]) => [key, row.slice(first)])) };
}

const briefly = (seconds) => (seconds < 10 ? `${seconds.toFixed(1)} s` : duration(seconds));
const known = (row) => row.filter((one) => one !== null);
const sum = (row) => known(row).reduce((total, one) => total + one, 0);
const latest = (row) => known(row.slice(-1))[0];

/** When a row was lowest, for people: `""` where it never was lower than now. */
function lowest(trend, row) {
  const least = Math.min(...known(row));
  if (!Number.isFinite(least) || least >= latest(row)) return "";
  return `, fewest ${number(least)} at ${clock(trend.begin + (row.lastIndexOf(least) + 1) * trend.step)}`;
}

/** The charts that there are: title, rows with labels and colours, and what they say in words. */
const CHARTS = {
  instances: {
    title: "Instances", rows: [["wanted", "wanted", "dim"], ["running", "running", "deployed", true]],
    words: (trend, { wanted, running }) => (latest(running) === undefined ? "Not known now" : `${number(latest(running))} of ${number(latest(wanted) ?? 0)} run now${lowest(trend, running)}`),
  },
  commands: {
    title: "Commands", bars: true, rows: [["commands", "commands", "reconciling", true], ["failures", "failed", "failed", true]],
    words: (trend, { commands, failures }) => `${plural(sum(commands), "command")}, ${sum(failures) ? `${number(sum(failures))} failed` : "none failed"}`,
  },
  settling: {
    title: "Time to deployed", bars: true, unit: " s", rows: [["settling", "seconds", "accent", true]],
    words: (trend, { settling }) => (known(settling).length ? `Longest ${briefly(Math.max(...known(settling)))}` : "Nothing was deployed"),
  },
  hosts: { title: "Hosts", rows: [["hosts", "heard", "accent", true]], words: (trend, { hosts }) => (latest(hosts) === undefined ? "Not known yet" : `${plural(latest(hosts), "host")} now${lowest(trend, hosts)}`) },
  load: { title: "Runs here", rows: [["instances", "components and providers", "deployed", true]], words: (trend, { instances }) => (latest(instances) === undefined ? "Not known now" : `${number(latest(instances))} now${lowest(trend, instances)}`) },
};

/** Charts of one trend. `ask(last)` returns it, `longest` is how many seconds back one can look; `only` are the applications
 * whose deployments count (null: all). */
export function Charts({ ask, keys, which, at, longest, named, only = null, tall = TALL }) {
  const [over, setOver] = useQuery(at, "over");
  const last = RANGES.some(([seconds]) => String(seconds) === over) ? Number(over) : lastOf();
  const [trend, error] = useTrend(ask, last, keys);
  const now = useNow(15000);
  if (!trend) return error ? html`<${Trouble} error=${error} />` : html`<${Loading} what="the trend" />`;
  const shown = which.map((key) => CHARTS[key]).filter((one) => one.rows.some(([row]) => trend.rows[row]));
  const deployments = trend.deployments.filter((one) => !only || only.has(one.application)).reverse();
  const ranges = RANGES.filter(([seconds]) => seconds <= Math.max(longest || 0, 86400));
  return html`<section class="trends" aria-label="Over time">
    <div class="trends-head"><h2>Over time</h2><div class="ways" role="group" aria-label="How long">${ranges.map(([seconds, title]) => html`<button key=${seconds} class="small" aria-pressed=${seconds === last} onClick=${() => setOver(String(seconds))}>${title}</button>`)}</div>
      ${trend.source === "gateway" && trend.since > trend.begin ? html`<span class="dim">This server has listened since ${clock(trend.since)}.</span>` : ""}${trend.problem ? html`<span class="bad">${trend.problem}.</span>` : ""}</div>
    <div class="charts">${shown.map((one) => html`<${Chart} key=${one.title} chart=${one} trend=${trend} deployments=${deployments} tall=${tall} />`)}</div>
    ${deployments.length > 0 && html`<details class="deployments"><summary>${plural(deployments.length, "deployment")} in this time</summary><ol>${deployments.slice(0, 50).map((one) => html`<li key=${`${one.time} ${one.application}`}><${Time} time=${one.time} now=${now} /> ${named && html`<a href=${toApplication(one.application)}>${one.application}</a> `}${one.text}${one.seconds ? html` <small>took ${briefly(one.seconds)}</small>` : ""}</li>`)}</ol></details>`}
  </section>`;
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

/** Draw a mark for each deployment, and a line where there are not too many. */
const marks = (shown, colour) => (plot) => {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  const few = shown.current.length <= MOST_LINES;
  ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
  for (const one of shown.current) {
    const x = Math.round(plot.valToPos(one.time, "x", true)) + 0.5;
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    if (few) {
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.beginPath();
    ctx.moveTo(x - 4 * devicePixelRatio, bbox.top);
    ctx.lineTo(x + 4 * devicePixelRatio, bbox.top);
    ctx.lineTo(x, bbox.top + 6 * devicePixelRatio);
    ctx.fill();
  }
  ctx.restore();
};

function optionsOf(uPlot, chart, width, tall, deployments, point) {
  const colour = colours();
  const axis = { stroke: colour("dim"), font: "11px system-ui, sans-serif", grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
  const shape = chart.bars ? uPlot.paths.bars({ size: [0.86, 40], align: 1 }) : uPlot.paths.stepped({ align: 1 });
  return {
    width, height: tall, cursor: { sync: { key: "wadm" }, drag: { x: false, y: false }, points: { show: false } }, legend: { markers: { width: 2 } },
    scales: { y: { range: (_, low, high) => [0, Math.max(1, (high || 0) * 1.1)] } },
    axes: [{ ...axis, size: 26, space: 84, values: (_, ticks) => ticks.map((one) => new Date(one * 1000).toLocaleString([], ticks[ticks.length - 1] - ticks[0] > 172800 ? { month: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit" })) },
      { ...axis, size: 42, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000], values: (_, ticks) => ticks.map((one) => number(one)) }],
    series: [{ label: "", value: (_, when) => (when === null ? "" : clock(when)) }, ...chart.rows.map(([, label, tone, filled]) => ({
      label, stroke: colour(tone), width: chart.bars ? 0 : 1.6, paths: shape, points: { show: false }, spanGaps: false,
      fill: filled ? `color-mix(in srgb, ${colour(tone)} ${chart.bars ? 70 : 16}%, transparent)` : undefined, value: (_, one) => (one === null || one === undefined ? "–" : `${number(one)}${chart.unit || ""}`),
    }))],
    hooks: {
      draw: [marks(deployments, colour("accent"))],
      setCursor: [(plot) => point(plot.cursor.left < 0 ? null : deployments.current.find((one) => Math.abs(plot.valToPos(one.time, "x") - plot.cursor.left) <= NEAR) || null)],
    },
  };
}

function Chart({ chart, trend, deployments: marked, tall }) {
  const box = useRef(null);
  const plot = useRef(null);
  const deployments = useRef([]);
  const [width, setWidth] = useState(0);
  const [theme, setTheme] = useState(0);
  const [failed, setFailed] = useState(false);
  const [pointed, point] = useState(null);
  deployments.current = marked;
  const rows = Object.fromEntries(chart.rows.map(([key]) => [key, trend.rows[key] || []]));
  // The last slot reaches to its end, where nothing else begins.
  const slots = rows[chart.rows[0][0]].length;
  const data = [Array.from({ length: slots + 1 }, (_, at) => trend.begin + at * trend.step), ...chart.rows.map(([key]) => [...rows[key], chart.bars ? null : rows[key][slots - 1]])];
  useEffect(() => {
    const element = box.current;
    const measure = () => setWidth(element.clientWidth);
    const watcher = new ResizeObserver(measure);
    watcher.observe(element);
    const changed = () => setTheme((n) => n + 1);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    addEventListener("wadm-theme", changed);
    scheme.addEventListener("change", changed);
    return () => { watcher.disconnect(); removeEventListener("wadm-theme", changed); scheme.removeEventListener("change", changed); };
  }, []);
  useEffect(() => {
    if (!width) return undefined;
    let gone = false;
    library().then((uPlot) => { if (!gone) plot.current = new uPlot(optionsOf(uPlot, chart, width, tall, deployments, point), data, box.current); }, () => !gone && setFailed(true));
    return () => { gone = true; plot.current?.destroy(); plot.current = null; };
  }, [width, theme]);
  useEffect(() => { plot.current?.setData(data); }, [trend]);
  const words = chart.words(trend, rows);
  return html`<div class="chart card"><h3>${chart.title} <small>${pointed ? html`<b>${pointed.application}</b> ${pointed.text}, ${clock(pointed.time)}${pointed.seconds ? `, took ${briefly(pointed.seconds)}` : ""}` : words}</small></h3>
    <div class="plot" role="img" aria-label=${`${chart.title} over time: ${words}`} ref=${box}>${failed && html`<p class="none">The chart could not be loaded: the server cannot be reached.</p>`}</div></div>`;
}
