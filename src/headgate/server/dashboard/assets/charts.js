// Draws what stands in data-chart with uPlot, in the sheet's colours; the table beside it says the same.
/* global uPlot */
const FORMATS = {
  number: (value) => compact(value),
  usd: (value) => (value === 0 ? "$0" : `$${dollars(value / 1e9)}`),
  ms: (value) => (value < 1000 ? `${value < 10 ? +value.toFixed(2) : Math.round(value)} ms` : `${+(value / 1000).toFixed(2)} s`),
  share: (value) => `${+(value * 100).toFixed(1)}%`,
};
const compactly = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const compact = (value) => compactly.format(value);
const dollars = (value) => (Math.abs(value) >= 1 ? value.toLocaleString("en", { maximumFractionDigits: 2 }) : `${+value.toPrecision(3)}`);
const two = (value) => String(value).padStart(2, "0");

function when(seconds, step) {
  const at = new Date(seconds * 1000);
  const day = `${at.getUTCFullYear()}-${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())}`;
  return step >= 86400 ? day : `${day} ${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
}

function tick(seconds, step, increment) {
  const at = new Date(seconds * 1000);
  if (increment >= 86400 || (step >= 3600 && at.getUTCHours() === 0)) {
    return at.toLocaleDateString("en", { timeZone: "UTC", month: "short", day: "numeric" });
  }
  return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
}

function stack(series) {
  const sums = new Array(series[0]?.values.length ?? 0).fill(0);
  return series.map((line) => line.values.map((value, at) => (sums[at] += value ?? 0)));
}

// What is stacked is drawn over what is above it, so it must not show through.
function fill(chart, colour) {
  if (chart.is_stacked) return colour;
  return chart.series.length === 1 ? `${colour}28` : undefined;
}

function draw(box) {
  const chart = JSON.parse(box.dataset.chart);
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const format = FORMATS[chart.unit];
  const step = chart.at_s.length > 1 ? chart.at_s[1] - chart.at_s[0] : 60;
  const stacked = chart.is_stacked ? stack(chart.series) : chart.series.map((line) => line.values);
  const lines = chart.series.map((line, at) => ({
    label: line.label,
    stroke: colour(`--s${(at % 6) + 1}`),
    width: 1.5,
    fill: fill(chart, colour(`--s${(at % 6) + 1}`)),
    points: { show: chart.at_s.length < 3 },
    spanGaps: false,
  }));
  const order = chart.is_stacked ? lines.map((_, at) => lines.length - 1 - at) : lines.map((_, at) => at);
  const readout = box.closest(".chart").querySelector("[data-readout]");
  const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: `11px ${colour("--sans")}` };
  const plot = new uPlot(
    {
      width: box.clientWidth,
      height: 180,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
      scales: { x: { time: true }, y: { range: (_, low, high) => [0, high > 0 ? high * 1.08 : 1] } },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      axes: [
        { ...axis, grid: { show: false }, size: 24, gap: 4, space: 70, values: (_, splits, __, ___, increment) => splits.map((at) => tick(at, step, increment)) },
        { ...axis, size: 56, values: (_, splits) => splits.map(format) },
      ],
      series: [{}, ...order.map((at) => lines[at])],
      hooks: {
        setCursor: [
          (self) => {
            const at = self.cursor.idx;
            readout.textContent = at == null ? "" : [when(chart.at_s[at], step), ...chart.series.map((line) => (line.values[at] == null ? "–" : format(line.values[at])))].join("  ·  ");
          },
        ],
      },
    },
    [chart.at_s, ...order.map((at) => stacked[at])],
    box,
  );
  return plot;
}

export function drawCharts() {
  const boxes = [...document.querySelectorAll("[data-chart]")];
  const plots = new Map();
  const all = () => {
    for (const box of boxes) {
      plots.get(box)?.destroy();
      plots.set(box, draw(box));
    }
  };
  all();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const plot = plots.get(target);
      if (plot && target.clientWidth && plot.width !== target.clientWidth) plot.setSize({ width: target.clientWidth, height: 180 });
    }
  });
  boxes.forEach((box) => sizes.observe(box));
}
