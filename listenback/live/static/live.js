// Draws what the tables say and fetches the page anew. Keeps nothing in the browser.
"use strict";

const REFRESH_EVERY_MS = 5000;
const EXPERIMENTS_DRAWN_MAX = 12;
let isPaused = false;
let drawn = "";

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function layout(title, more) {
  const axis = { gridcolor: color("line"), zerolinecolor: color("soft"), automargin: true };
  return {
    title: { text: title, font: { size: 14 } },
    paper_bgcolor: color("card"), plot_bgcolor: color("card"),
    font: { color: color("ink"), family: "system-ui, sans-serif", size: 12 },
    margin: { l: 56, r: 20, t: 40, b: 40 },
    legend: { orientation: "h", y: -0.2 }, hovermode: "x unified", hoverlabel: { bgcolor: color("card") },
    xaxis: { ...axis }, yaxis: { ...axis, rangemode: "tozero", ...more },
  };
}

const CONFIG = { displayModeBar: false, responsive: true, staticPlot: false };

// Windows without an event have no row: they are drawn as the zeros they are.
function everyWindow(windows, sizeUs) {
  const known = new Map(windows.map((one) => [one.start_us, one]));
  const all = [];
  for (let at = windows[0].start_us; at <= windows[windows.length - 1].start_us; at += sizeUs) {
    all.push(known.get(at) ?? { start_us: at, starts_n: 0, exposures_n: 0, early_skips_n: 0 });
  }
  return all;
}

const SIZES = { 60: "minute", 3600: "hour", 86400: "day" };

function drawWindows(windows, sizeS) {
  const place = document.getElementById("chart-windows");
  if (!place) return;
  place.hidden = windows.length === 0;
  if (place.hidden) return;
  const all = everyWindow(windows, sizeS * 1e6);
  const times = all.map((one) => new Date(one.start_us / 1000).toISOString());
  const line = (name, key, tone, dash) => ({
    name, x: times, y: all.map((one) => one[key]), mode: all.length > 60 ? "lines" : "lines+markers",
    line: { color: color(tone), dash, width: 2 }, marker: { size: 5 },
  });
  Plotly.react(place, [
    line("plays", "starts_n", "accent", "solid"),
    line("exposures", "exposures_n", "soft", "dot"),
    line("early skips", "early_skips_n", "second", "dash"),
  ], layout(`Per ${SIZES[sizeS] ?? `${sizeS} s`}, UTC; the last one is still filling`), CONFIG);
}

function series(nights) {
  const found = new Map();
  for (const night of nights) {
    for (const one of night.experiments) {
      for (const comparison of one.comparisons.filter((each) => each.role === "success")) {
        const key = `${one.title}: ${one.treatment}, ${comparison.title}`;
        if (!found.has(key)) found.set(key, []);
        if (comparison.estimate !== null) found.get(key).push({ date: night.date, ...comparison });
      }
    }
  }
  return [...found].slice(0, EXPERIMENTS_DRAWN_MAX);
}

function drawNights(nights) {
  const place = document.getElementById("chart-nights");
  if (!place) return;
  const all = series(nights).filter(([, points]) => points.length > 1);
  while (place.children.length > all.length) place.lastChild.remove();
  all.forEach(([title, points], index) => {
    if (!place.children[index]) {
      const figure = document.createElement("figure");
      figure.className = "chart";
      figure.setAttribute("role", "img");
      place.append(figure);
    }
    const figure = place.children[index];
    figure.setAttribute("aria-label", `${title}: relative effect by night; tonight's stands in the table below`);
    const share = (value) => (value === null ? null : value * 100);
    const bars = {
      type: "data", symmetric: false, color: color("accent"),
      array: points.map((one) => share(one.high === null ? null : one.high - one.estimate)),
      arrayminus: points.map((one) => share(one.low === null ? null : one.estimate - one.low)),
    };
    Plotly.react(figure, [{
      x: points.map((one) => one.date), y: points.map((one) => share(one.estimate)),
      mode: "markers", marker: { color: color("accent"), size: 7 }, error_y: bars, name: "effect, %",
    }], layout(`${title}, % (intervals hold at every look)`, { rangemode: "normal", zeroline: true }), CONFIG);
  });
}

async function draw() {
  if (typeof Plotly === "undefined") return;
  const answer = await fetch(`/view.json${location.search}`, { cache: "no-store" });
  if (!answer.ok) return;
  const view = await answer.json();
  const now = JSON.stringify([view.window_s, view.windows, view.nights]);
  if (now === drawn) return;
  drawn = now;
  drawWindows(view.windows, view.window_s);
  drawNights(view.nights);
}

async function renew() {
  const answer = await fetch(`/${location.search}`, { cache: "no-store" });
  if (!answer.ok) throw new Error(`the page answered ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(part.id);
    if (!fresh || part.innerHTML === fresh.innerHTML || part.contains(document.activeElement)) continue;
    const open = [...part.querySelectorAll("details")].map((one) => one.open);
    part.replaceChildren(...fresh.childNodes);
    [...part.querySelectorAll("details")].forEach((one, index) => { one.open = open[index] ?? one.open; });
  }
  await draw();
}

async function refresh() {
  if (!isPaused && !document.hidden) {
    try {
      await renew();
    } catch (error) {
      document.getElementById("state").textContent = `! no answer (${error.message}); trying again`;
    }
  }
  setTimeout(refresh, REFRESH_EVERY_MS);
}

const button = document.getElementById("pause");
button.hidden = false;
button.addEventListener("click", () => {
  isPaused = !isPaused;
  button.setAttribute("aria-pressed", String(isPaused));
  button.textContent = isPaused ? "Refreshing is paused" : "Pause refreshing";
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { drawn = ""; draw(); });
draw();
setTimeout(refresh, REFRESH_EVERY_MS);
