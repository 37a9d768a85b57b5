// What the server rendered is looked up again in each new state, by the same paths and forms.
const $ = (query, from = document) => from.querySelector(query);
const $$ = (query, from = document) => [...from.querySelectorAll(query)];
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// The token of this device.
let key = null;
try { key = JSON.parse(localStorage.getItem("rminer")); } catch { /* none */ }
function keep(value) {
  key = value;
  try { value ? localStorage.setItem("rminer", JSON.stringify(value)) : localStorage.removeItem("rminer"); } catch { /* none */ }
}
const headers = (more = {}) => (key ? { ...more, Authorization: "Bearer " + key.token } : more);
// How far this device's clock is ahead of the rig's, in milliseconds.
let skew = 0;
async function ask(path, signal) {
  const response = await fetch(path, { headers: headers(), cache: "no-store", signal });
  skew = Date.now() - Date.parse(response.headers.get("date"));
  return response;
}

// Numbers, as the server writes them.
const digits = (v) => { const s = Math.abs(v); return v.toFixed(s >= 99.95 || s < 0.0005 ? 0 : s >= 9.995 ? 1 : s >= 0.0995 ? 2 : 3); };
function prefixed(v, unit) {
  let i = 0;
  while (Math.abs(v) >= 999.5 && i < 6) { v /= 1000; i += 1; }
  return `${digits(v)} ${["", "k", "M", "G", "T", "P", "E"][i]}${unit}`.trimEnd();
}
function length(s) {
  s = Math.max(0, Math.floor(s));
  const h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
  return s < 60 ? `${s} s` : s < 3600 ? `${m} min` : s < 86400 ? `${h} h ${m} min` : `${Math.floor(s / 86400)} d ${h} h`;
}
const most = (v, unit) => { const all = Object.values(v).filter(Number.isFinite); return all.length ? `${Math.max(...all).toFixed(0)} ${unit}` : "–"; };
const forms = {
  text: (v) => v, rate: (v) => prefixed(v, "H/s"), big: (v) => prefixed(v, ""),
  count: (v) => v.toFixed(0).replace(/\B(?=(\d{3})+$)/g, "\u202f"), c: (v) => `${v.toFixed(0)} °C`,
  w: (v) => `${digits(v)} W`, pct: (v) => `${digits(v)} %`, chance: (v) => `± ${digits(v)} %`,
  j: (v) => `${digits(v)} J/kH`, ms: (v) => `${digits(v)} ms`, length,
  ago: (v) => `${length((Date.now() - skew - Date.parse(v)) / 1000)} ago`,
  fans: (v) => most(v, "%"), heat: (v) => most(v, "°C"),
};
const show = (v, form) => ((v ?? "") === "" ? "–" : `${forms[form](v)}`);
const put = (node, text) => { if (node.textContent !== text) node.textContent = text; };

// The state line is read out when it changes, and not too often.
let saidAt = 0, saidWhat = "", waiting = 0;
function say(text) {
  if (text === saidWhat) return;
  clearTimeout(waiting);
  waiting = setTimeout(() => { saidWhat = text; saidAt = Date.now(); const said = $("#said"); if (said) said.textContent = text; },
    Math.max(0, 15000 - (Date.now() - saidAt)));
}
function answer(text) {
  const line = $("#answer");
  if (!line) return;
  line.hidden = !text;
  line.textContent = text;
  if (text) say(text);
}

let lastSample = 0, known = "";
function headline(line) {
  const state = $("#state");
  state.dataset.level = line.level;
  state.dataset.order = line.order || "";
  // Explained a little later.
  if (known && line.text !== known) setTimeout(findings, 5000);
  known = line.text;
  say(line.text);
}
function update(status) {
  lastSample = Date.now();
  const main = $("#main");
  const { totals, safety, pool } = status;
  const known = [totals.power_w, totals.hottest, totals.expected_hs].map((v) => (v === null ? 0 : 1)).join("");
  const shape = `${status.devices.map((d) => d.id)} ${pool ? pool.index : 0} ${safety.limits.length} ${known}`;
  // Other devices, another pool: the server draws that.
  if (shape !== main.dataset.shape || `${safety.quiet_pct || 0}` !== main.dataset.quiet) return reload();
  for (const node of $$("[data-v]")) {
    const [path, form] = node.dataset.v.split("|");
    put(node, show(path.split(".").reduce((v, step) => v?.[step], status), form));
  }
  document.title = `${status.name}: ${status.headline.text}`;
  return headline(status.headline);
}

// Asks for the document again.
let loading = false;
async function reload() {
  if (loading) return;
  loading = true;
  try {
    let response = await ask("/");
    if (response.status === 401) { keep(null); response = await ask("/"); }
    if (response.ok) {
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      document.title = fresh.title;
      document.body.toggleAttribute("data-stranger", fresh.body.hasAttribute("data-stranger"));
      $("#main").replaceWith(document.adoptNode($("#main", fresh)));
      ready();
    }
  } catch { /* the stream says so */ }
  await sleep(500);
  loading = false;
}

// Not EventSource: it sends no token. A page that nobody sees asks for nothing.
async function stream() {
  for (;;) {
    if (document.hidden) await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
    const ends = new AbortController();
    const hide = () => document.hidden && ends.abort();
    document.addEventListener("visibilitychange", hide);
    try {
      if (!isStranger()) {
        const response = await ask("/api/v1/stream", ends.signal);
        if (response.status === 401) await reload();
        if (response.ok) await read(response.body.pipeThrough(new TextDecoderStream()).getReader());
      }
    } catch { /* gone, or nobody looks */ }
    document.removeEventListener("visibilitychange", hide);
    await sleep(2000);
  }
}
async function read(reader) {
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const messages = text.split("\n\n");
    text = messages.pop();
    for (const message of messages) {
      const field = (name) => (message.split("\n").find((line) => line.startsWith(name + ": ")) || "").slice(name.length + 2);
      if (field("event") === "sample") update(JSON.parse(field("data")));
    }
  }
}
const isStranger = () => document.body.hasAttribute("data-stranger");
setInterval(() => {
  const age = Date.now() - lastSample;
  if (isStranger() || document.hidden || !lastSample || age < 6000) return;
  headline({ level: "bad", text: "No connection with the miner", order: "" });
  put($("#state .line span"), "No connection with the miner");
  put($("#state div p + p span"), `These numbers are ${length(age / 1000)} old.`);
}, 1000);

async function post(path, body) {
  const response = await fetch(path, { method: "POST", headers: headers({ "Content-Type": "application/json" }), body: JSON.stringify(body) });
  const said = await response.json().catch(() => ({}));
  if (response.ok) return said;
  const error = said.error || { message: `HTTP ${response.status}`, help: "" };
  throw Object.assign(new Error(`${error.message}. ${error.help}`), { status: response.status });
}
const words = (error) => (error.status ? error.message : "No answer.");
async function order(button) {
  if (!key) return needCode("Orders need a code.");
  button.disabled = true;
  try {
    const said = await post(`/api/v1/control/${button.dataset.post}`, JSON.parse(button.dataset.body || "{}"));
    answer(`Done: ${said.result}.`);
  } catch (error) {
    if (error.status === 401) { keep(null); who(); needCode("This device is paired no longer."); }
    answer(words(error));
  }
  return (button.disabled = false);
}
function needCode(why) {
  $("#pair").classList.remove("paired");
  put($("#pair-says"), why);
  $("#code").focus();
}
async function pair(code) {
  const is = (names) => (navigator.userAgent.match(names) || ["?"])[0];
  const name = `${is(/Firefox|Edg|OPR|Chrome|Safari/)} on ${is(/Android|iPhone|iPad|Windows|Mac OS|Linux/)}`;
  try {
    keep(await post("/api/v1/pair", { code, name }));
    await reload();
    answer("This device is paired.");
  } catch (error) {
    put($("#pair-says"), words(error));
    $("#pair").classList.remove("paired");
  }
}
function who() {
  $("#pair").classList.toggle("paired", Boolean(key));
  const line = $("#who");
  const reads = key?.scope === "read";
  if (line) put(line, !key ? "The first order asks for a code." : reads ? "This device may only look." : "This device may give orders.");
  for (const button of $$("[data-post]")) button.disabled = reads;
}

// What happened, and what would help.
const make = (tag, text, name = "") => { const node = document.createElement(tag); node.textContent = text; node.className = name; return node; };
function command(text) {
  const line = make("div", "", "cmd"), code = make("code", text), button = make("button", "Copy");
  button.type = "button";
  button.addEventListener("click", async () => {
    // Plain HTTP has no clipboard.
    try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; } catch { getSelection().selectAllChildren(code); }
  });
  line.append(code, button);
  return line;
}
const isCommand = (text) => /^(sudo )?rminer /.test(text || "");
async function list(id, path, item, count) {
  const section = $(id);
  if (!section) return [];
  const response = await ask(path).catch(() => null);
  if (!response?.ok) return [];
  const { findings = [] } = await response.json();
  if (id === "#explain") findings.reverse();
  const shown = findings.filter((f) => f.level !== "green").slice(0, count);
  $("ul", section).replaceChildren(...shown.map(item));
  section.hidden = !shown.length;
  return findings;
}
const clock = (time) => new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
function happened(finding) {
  const until = finding.ongoing ? "now" : clock(finding.to), item = make("li", "", until);
  item.append(make("b", finding.what), make("p", `${clock(finding.from)} to ${until}: ${finding.cause}`));
  if (finding.help && finding.ongoing) item.append(isCommand(finding.help) ? command(finding.help) : make("p", finding.help));
  return item;
}
const levels = { red: "✖ fix this: ", yellow: "▲ ", unknown: "■ " };
function advised(finding) {
  const item = make("li", "", finding.level);
  item.append(make("b", levels[finding.level] + finding.title));
  if (finding.gain_pct) item.append(make("p", `about ${digits(finding.gain_pct)} % more${finding.gain_source ? `, ${finding.gain_source}` : ""}`));
  if (finding.help) item.append(make("p", finding.help));
  if (finding.command) item.append(command(finding.command));
  return item;
}
let marks = [];
async function findings() {
  if (isStranger() || document.hidden) return;
  marks = await list("#explain", "/api/v1/explain?since=86400", happened, 12);
  await list("#doctor", "/api/v1/doctor", advised, 20);
  await chart();
}

let plot = null;
const sizeOf = (box) => ({ width: Math.floor(box.clientWidth), height: box.clientHeight });
const resized = new ResizeObserver(() => plot?.setSize(sizeOf($("#plot"))));
async function chart() {
  const box = $("#plot");
  if (!box || !window.uPlot) return;
  let data, shown = 0;
  for (const hours of [24, 1]) {
    const response = await ask(`/api/v1/chart?hours=${hours}`).catch(() => null);
    if (!response?.ok) return;
    data = await response.json();
    // A miner of today has more to show of its last hour, or of less.
    const known = data.raw_hs.length - data.raw_hs.findIndex((v) => v !== null);
    shown = hours === 1 ? Math.min(60, Math.max(10, Math.ceil(known * data.step_s / 600) * 10)) : 1440;
    if (known > 7 && known <= data.raw_hs.length) break;
  }
  put($("#span"), shown === 1440 ? "24 hours" : `${shown} minutes`);
  const end = data.from_s + data.step_s * data.raw_hs.length;
  const times = data.raw_hs.map((_, i) => data.from_s + data.step_s * (i + 0.5));
  // Shares come by chance: a mean says more.
  const smooth = data.effective_hs.map((v, i, all) => {
    const known = all.slice(Math.max(0, i - 11), i + 1).filter((x) => x !== null);
    return v === null ? null : known.reduce((a, b) => a + b, 0) / known.length;
  });
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const font = "12px system-ui, sans-serif", axis = { stroke: css("--soft"), font, grid: { stroke: css("--grid"), width: 1 }, ticks: { show: false } };
  const mark = (u) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.fillStyle = css("--bad");
    for (const { from } of marks) {
      const x = u.valToPos(Date.parse(from) / 1000, "x", true);
      if (!(x >= bbox.left && x <= bbox.left + bbox.width)) continue;
      const s = 5 * devicePixelRatio;
      ctx.fillRect(x, bbox.top, 1, bbox.height);
      ctx.beginPath(); ctx.moveTo(x - s, bbox.top); ctx.lineTo(x + s, bbox.top); ctx.lineTo(x, bbox.top + 1.6 * s); ctx.fill();
    }
    ctx.restore();
  };
  const hasHeat = data.temp_c.some((v) => v !== null);
  plot?.destroy();
  plot = new uPlot({
    ...sizeOf(box), legend: { show: false }, cursor: { y: false, drag: { x: false, y: false } }, padding: [10, hasHeat ? 0 : 12, 0, 0],
    scales: { x: { range: [end - shown * 60, end] }, hs: { range: (_, lo, hi) => [0, (hi || 1) * 1.1] }, c: { range: (_, lo, hi) => [Math.min(20, lo ?? 20), Math.max(100, hi ?? 100)] } },
    axes: [{ ...axis, size: 32, space: 60, values: (_, all) => all.map((t) => clock(t * 1000)) },
      { ...axis, scale: "hs", size: 74, values: (_, all) => all.map((v) => prefixed(v, "H/s")) },
      { ...axis, scale: "c", side: 1, size: 48, grid: { show: false }, show: hasHeat, values: (_, all) => all.map((v) => `${v} °C`) }],
    series: [{}, { scale: "hs", stroke: css("--c1"), width: 2 }, { scale: "hs", stroke: css("--c2"), width: 2, dash: [8, 4] }, { scale: "c", stroke: css("--c3"), width: 2, dash: [2, 3] }].map((s) => ({ ...s, points: { show: false } })),
    hooks: { draw: [mark], setCursor: [(u) => {
      const i = u.cursor.idx ?? -1;
      $$("#legend span").slice(0, 3).forEach((node, n) => put(node, ["computed", "credited", "hottest"][n]
        + (i < 0 ? "" : ` ${show(u.data[n + 1][i], n < 2 ? "rate" : "c")}${n ? "" : ` at ${clock(u.data[0][i] * 1000)}`}`)));
    }] },
  }, [times, data.raw_hs, smooth, data.temp_c], box);
  $(".l3").hidden = !hasHeat;
  $(".l4").hidden = !marks.length;
  resized.disconnect();
  resized.observe(box);
}

function ready() {
  document.documentElement.classList.add("live");
  for (const button of $$("[data-post]")) button.addEventListener("click", () => order(button));
  $("#pair-form").addEventListener("submit", (event) => { event.preventDefault(); pair($("#code").value); });
  plot?.destroy();
  plot = null;
  who();
  findings();
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart());
setInterval(findings, 60000);

// A code in the address does not stay there.
function fromAddress() {
  const code = /^#pair=([0-9a-z-]{8,16})$/i.exec(location.hash);
  if (!code) return false;
  history.replaceState(null, "", location.pathname);
  pair(code[1]);
  return true;
}
ready();
addEventListener("hashchange", fromAddress);
if (!fromAddress() && isStranger() && key) reload();
stream();
