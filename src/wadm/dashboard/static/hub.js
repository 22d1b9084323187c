// The one connection that all tabs of a browser share. Runs in a shared worker; where there is none, in one of the tabs.
//
// A tab says all that it wants at once, and again whenever that changes: its token, its topics, whether it can be seen.
// So a message may be lost or come twice, and a hub that begins anew knows everything after one message of each tab.
// For each token there is one line to the server, which tells of all topics of its tabs. While no tab can be seen, the
// line is closed; it is opened again at once when one is.

const SILENCE = 4500; // the server says every 2 s how it is; without a word for longer it is lost
const HIDDEN = 3000; // a look at another tab does not close the line
const GONE = 150000; // tabs say every 30 s that they are there; hidden ones may be held up for a minute
const LINGER = 20000; // whoever comes back to a view within that time sees it at once
const KEYS = { applications: "name", hosts: "id" };

export class Hub {
  constructor() {
    this.tabs = new Map();
    this.lines = new Map();
    setInterval(() => this.forget(), GONE / 5);
  }

  /** Take a message of a tab. `tell` sends it one. */
  hear(id, said, tell) {
    if (said.kind === "bye") return this.leave(id);
    if (said.kind === "who") return tell({ kind: "token", token: this.knownToken() });
    if (said.kind === "out") return this.signOut(id);
    if (said.kind === "again") return this.tellAgain(id, said.topic);
    const before = this.tabs.get(id);
    if (before && before.token !== said.token) this.leave(id);
    const tab = before && before.token === said.token ? before : { id, told: new Set() };
    Object.assign(tab, { token: said.token, topics: new Set(said.topics), visible: said.visible, heard: Date.now(), tell });
    this.tabs.set(id, tab);
    if (!this.lines.has(tab.token)) this.lines.set(tab.token, new Line(tab.token));
    const line = this.lines.get(tab.token);
    line.tabs.set(id, tab);
    line.changed(tab);
  }

  /** Tell a tab again what is known of a topic: something else in it follows that now, too. */
  tellAgain(id, topic) {
    const tab = this.tabs.get(id);
    if (!tab) return;
    tab.told.delete(topic);
    this.lines.get(tab.token).catchUp(tab);
  }

  leave(id) {
    const tab = this.tabs.get(id);
    if (!tab) return;
    this.tabs.delete(id);
    const line = this.lines.get(tab.token);
    line.tabs.delete(id);
    if (line.tabs.size) line.changed();
    else { line.close(); this.lines.delete(tab.token); }
  }

  /** Return a token that counts of any tab, so that a new tab needs no link: tabs share it as long as one is open. */
  knownToken() {
    for (const line of this.lines.values()) if (line.token && line.link.state !== "refused") return line.token;
    return "";
  }

  signOut(id) {
    const token = this.tabs.get(id)?.token;
    for (const tab of [...this.tabs.values()]) {
      if (tab.token !== token) continue;
      tab.tell({ kind: "out" });
      this.leave(tab.id);
    }
  }

  forget() {
    for (const tab of [...this.tabs.values()]) if (Date.now() - tab.heard > GONE) this.leave(tab.id);
  }
}

class Line {
  constructor(token) {
    this.token = token;
    this.tabs = new Map();
    this.link = { state: "connecting", message: "" };
    this.stream = "";
    this.wanted = new Map(); // topics, with the time at which the last tab left them (0: it is wanted now)
    this.known = new Map(); // what was told of each topic so far
    this.stop = null;
    this.timers = {};
    this.pause = 400;
  }

  /** Have the line tell what its tabs want, now that that may be something else. */
  changed(tab) {
    const now = Date.now();
    const wanted = new Set([...this.tabs.values()].flatMap((one) => [...one.topics]));
    for (const [topic, left] of this.wanted) {
      if (wanted.has(topic)) this.wanted.set(topic, 0);
      else if (!left) this.wanted.set(topic, now);
    }
    let more = false;
    for (const topic of wanted) if (!this.wanted.has(topic)) { this.wanted.set(topic, 0); more = true; }
    if (tab) this.catchUp(tab);
    const seen = [...this.tabs.values()].some((one) => one.visible);
    clearTimeout(this.timers.hidden);
    if (!seen) { if (this.stop) this.timers.hidden = setTimeout(() => this.close(), HIDDEN); return; }
    if (!this.stop) this.open();
    else if (more) this.sayTopics();
    clearTimeout(this.timers.linger);
    this.timers.linger = setTimeout(() => this.dropTopics(), LINGER + 100);
  }

  /** Tell a tab what is known of the topics that it has just begun to follow, and how the connection is. */
  catchUp(tab) {
    tab.tell({ kind: "link", link: this.linkOf(tab) });
    for (const topic of [...tab.told]) if (!tab.topics.has(topic)) tab.told.delete(topic);
    for (const topic of tab.topics) {
      if (tab.told.has(topic)) continue;
      tab.told.add(topic);
      const known = this.known.get(topic);
      if (!known) continue;
      if (known.rows) tab.tell({ kind: "event", topic, event: "snapshot", data: { rows: [...known.rows.values()], problem: known.problem } });
      for (const event of ["snapshot", "status", "problem"]) if (known[event]) tab.tell({ kind: "event", topic, event, data: known[event] });
    }
  }

  dropTopics() {
    const now = Date.now();
    let fewer = false;
    for (const [topic, left] of this.wanted) {
      if (!left || now - left < LINGER) continue;
      this.wanted.delete(topic);
      this.known.delete(topic);
      fewer = true;
    }
    if (fewer) this.sayTopics();
  }

  async sayTopics() {
    if (!this.stream) { this.unsaid = true; return; } // once it is open
    this.unsaid = false;
    const stream = this.stream;
    try {
      const answer = await fetch(`api/v1/stream/${stream}`, {
        method: "POST", headers: this.headers({ "Content-Type": "application/json" }), body: JSON.stringify({ topics: [...this.wanted.keys()] }),
      });
      if (!answer.ok && this.stream === stream) throw new Error(String(answer.status));
    } catch {
      if (this.stream === stream) this.again(); // opened anew it names all topics
    }
  }

  headers(more) { return this.token ? { ...more, Authorization: `Bearer ${this.token}` } : { ...more }; }

  open() {
    clearTimeout(this.timers.again);
    const stop = new AbortController();
    this.stop = stop;
    this.stream = "";
    this.run(stop).catch((error) => {
      if (stop.signal.aborted && !stop.lost) return;
      this.lost(stop.lost || error.told || "The server cannot be reached", error.status);
    });
  }

  async run(stop) {
    this.listen(stop);
    const query = new URLSearchParams([...this.wanted.keys()].map((topic) => ["topic", topic]));
    const answer = await fetch(`api/v1/stream?${query}`, { headers: this.headers({ Accept: "text/event-stream" }), signal: stop.signal, cache: "no-store" });
    if (!answer.ok) {
      const reply = await answer.json().catch(() => ({}));
      throw Object.assign(new Error(), { told: reply.message || `The server answered ${answer.status}`, status: answer.status });
    }
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw Object.assign(new Error(), { told: "The server has ended the connection" });
      this.listen(stop);
      rest += value;
      let from = 0;
      for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n", from)) {
        this.take(rest.slice(from, end));
        from = end + 2;
      }
      rest = rest.slice(from);
    }
  }

  /** Give the server up if it says nothing from now on. */
  listen(stop) {
    clearTimeout(this.timers.silence);
    this.timers.silence = setTimeout(() => { stop.lost = "The server does not answer"; stop.abort(); }, SILENCE);
  }

  take(block) {
    let kind = "";
    let data = "";
    for (const line of block.split("\n")) {
      if (line.startsWith("event: ")) kind = line.slice(7);
      else if (line.startsWith("data: ")) data += line.slice(6);
    }
    if (!data) return;
    const [event, topic = ""] = kind.split(" ");
    this.news(event, topic, JSON.parse(data));
  }

  news(event, topic, data) {
    this.pause = 400;
    if (event === "hello") { this.stream = data.stream; if (this.unsaid) this.sayTopics(); return; }
    if (event === "refused") { this.setLink({ state: "refused", message: data.message, status: 401 }); return; }
    if (event === "state") { this.setLink(data.problem ? { state: "stale", message: data.problem } : { state: "live", message: "" }); return; }
    this.keep(event, topic, data);
    for (const tab of this.tabs.values()) {
      if (!tab.topics.has(topic)) continue;
      tab.told.add(topic);
      tab.tell({ kind: "event", topic, event, data });
      if ("problem" in data || event === "problem") this.tellLink(tab);
    }
  }

  keep(event, topic, data) {
    const known = this.known.get(topic) || {};
    this.known.set(topic, known);
    if (event === "problem") { known.problem = data; return; }
    if (event === "timeline") return; // tabs ask for what has happened before
    const key = KEYS[topic.split("/")[1]];
    if (!key || topic.split("/").length > 2) { known[event] = data; delete known.problem; return; }
    if (event === "snapshot") known.rows = new Map();
    for (const one of data.gone || []) known.rows.delete(one);
    for (const row of data.rows) known.rows.set(row[key], row);
    known.problem = data.problem;
  }

  /** How the connection is, for a tab: what it shows may be out of date though the server is well. */
  linkOf(tab) {
    if (this.link.state !== "live") return this.link;
    for (const topic of tab.topics) {
      const problem = this.known.get(topic)?.problem;
      if (problem) return { state: "stale", message: problem.message || problem };
    }
    return this.link;
  }

  setLink(link) {
    if (link.state === this.link.state && link.message === this.link.message) return;
    this.link = link;
    for (const tab of this.tabs.values()) this.tellLink(tab);
  }

  tellLink(tab) { tab.tell({ kind: "link", link: this.linkOf(tab) }); }

  lost(message, status) {
    this.close(true);
    // A stream that is refused ends: that it has ended is not what there is to say.
    if (this.link.state === "refused" && !status) { message = this.link.message; status = 401; }
    if (status === 401 || status === 403) { this.setLink({ state: "refused", message, status }); this.timers.again = setTimeout(() => this.open(), 10000); return; }
    this.setLink({ state: "lost", message });
    this.timers.again = setTimeout(() => this.open(), this.pause * (0.75 + Math.random() / 2));
    this.pause = Math.min(this.pause * 2, 4000);
  }

  again() { this.close(true); this.open(); }

  close(stay) {
    for (const timer of Object.values(this.timers)) clearTimeout(timer);
    const stop = this.stop;
    this.stop = null;
    this.stream = "";
    if (stop && !stop.signal.aborted) stop.abort();
    // What was told before the line is opened again may not be so any more: all is told anew then.
    if (!stay) this.link = { state: "connecting", message: "" };
  }
}
