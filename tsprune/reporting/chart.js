// Charts that can be zoomed, read value by value, and followed to the row of a table. Without this script the static
// drawing below it stays. Nothing is loaded from elsewhere.
"use strict";
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const make = (name, attributes, parent, text) => {
    const element = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    parent?.appendChild(element);
    return element;
  };
  const short = (value) => (value === null || value === undefined ? "missing" : String(+Number(value).toPrecision(6)));
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("role", "status");
  document.body.appendChild(tip);

  const label = (chart, row, precise) => {
    const at = chart.index[Math.max(0, Math.min(chart.index.length - 1, Math.round(row)))];
    if (!chart.timed) return String(at);
    const text = new Date(at).toISOString();
    return text.endsWith("T00:00:00.000Z") && !precise ? text.slice(0, 10) : text.slice(0, 16).replace("T", " ").replace(" 00:00", "");
  };
  const ticks = (low, high) => {
    const rough = (high - low) / 4, unit = 10 ** Math.floor(Math.log10(rough));
    if (!(unit > 0)) return [low];
    const step = [1, 2, 2.5, 5, 10].map((f) => f * unit).reduce((a, b) => (Math.abs(Math.log(a / rough)) <= Math.abs(Math.log(b / rough)) ? a : b));
    const out = [];
    for (let v = Math.ceil(low / step) * step; v <= high + 1e-9 * step; v += step) out.push(v);
    return out;
  };

  for (const figure of document.querySelectorAll("figure.chart")) {
    const chart = JSON.parse(figure.querySelector("script").textContent);
    const n = chart.index.length;
    let from = 0, to = Math.max(1, n - 1), dragged = null;
    const LEFT = 60, RIGHT = 12, TOP = 26, BOTTOM = 24;

    const draw = () => {
      const width = Math.max(280, figure.clientWidth), height = chart.height;
      const first = Math.max(0, Math.floor(from)), last = Math.min(n - 1, Math.ceil(to));
      let low = Infinity, high = -Infinity;
      for (const line of chart.lines)
        for (let k = first; k <= last; k++) {
          const v = line.values[k];
          if (v !== null) { low = Math.min(low, v); high = Math.max(high, v); }
        }
      for (const group of chart.marks)
        group.rows.forEach((row, k) => {
          const v = group.values[k];
          if (row >= first && row <= last && v !== null) { low = Math.min(low, v); high = Math.max(high, v); }
        });
      if (!(high > low)) { const middle = Number.isFinite(low) ? low : 0; low = middle - 0.5; high = middle + 0.5; }
      const x = (row) => LEFT + ((width - LEFT - RIGHT) * (row - from)) / (to - from);
      const y = (value) => TOP + ((height - TOP - BOTTOM) * (high - value)) / (high - low);
      const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", tabindex: 0, "aria-label": chart.title + ": arrow keys move, plus and minus zoom, 0 shows all" });
      make("text", { x: LEFT, y: 15, class: "t" }, svg, chart.title);
      const inside = make("svg", { x: LEFT, y: 0, width: width - LEFT - RIGHT, height, viewBox: `${LEFT} 0 ${width - LEFT - RIGHT} ${height}` }, svg);
      for (const [a, b] of chart.spans)
        make("rect", { x: x(a - 0.5), y: TOP, width: Math.max(1, x(b - 0.5) - x(a - 0.5)), height: height - TOP - BOTTOM, class: "s" }, inside);
      for (const value of ticks(low, high)) {
        make("path", { d: `M${LEFT} ${y(value)}H${width - RIGHT}`, class: "g" }, svg);
        make("text", { x: LEFT - 6, y: y(value) + 4, class: "y" }, svg, short(value));
      }
      const labels = Math.max(2, Math.min(6, Math.floor(width / 150)));
      for (let k = 0; k < labels; k++) {
        const row = from + ((to - from) * k) / (labels - 1);
        make("text", { x: x(row), y: height - 6, class: "x", "text-anchor": k === 0 ? "start" : k === labels - 1 ? "end" : "middle" }, svg, label(chart, row));
      }
      for (const line of chart.lines) {
        const pixels = width - LEFT - RIGHT, rows = [];
        if (last - first <= 4 * pixels) for (let k = first; k <= last; k++) rows.push(k);
        else
          for (let p = 0; p < pixels; p++) {
            const a = first + Math.floor(((last - first + 1) * p) / pixels), b = first + Math.floor(((last - first + 1) * (p + 1)) / pixels);
            let least = -1, most = -1;
            for (let k = a; k < b; k++) {
              if (line.values[k] === null) continue;
              if (least < 0 || line.values[k] < line.values[least]) least = k;
              if (most < 0 || line.values[k] > line.values[most]) most = k;
            }
            if (least < 0) { if (b > a) rows.push(a); } else rows.push(...new Set([Math.min(least, most), Math.max(least, most)]));
          }
        let path = "", down = false;
        for (const k of rows) {
          if (line.values[k] === null) { down = false; continue; }
          path += `${down ? "L" : "M"}${x(k).toFixed(1)} ${y(line.values[k]).toFixed(1)}`;
          down = true;
        }
        make("path", { d: path, class: "l", style: `stroke:${line.colour}`, "stroke-width": 1.4 }, inside);
      }
      for (const group of chart.marks)
        group.rows.forEach((row, k) => {
          if (row < first || row > last || group.values[k] === null) return;
          const circle = make("circle", { cx: x(row), cy: y(group.values[k]), r: 4, style: `fill:${group.colour}` }, inside);
          make("title", {}, circle, group.texts[k] ?? "");
          const target = group.targets[k] && document.getElementById(group.targets[k]);
          if (target) {
            circle.style.cursor = "pointer";
            circle.addEventListener("click", () => {
              target.scrollIntoView({ behavior: "smooth", block: "center" });
              target.classList.add("chosen");
              setTimeout(() => target.classList.remove("chosen"), 4000);
            });
          }
        });
      let right = width - RIGHT;
      for (const item of [...chart.lines, ...chart.marks].reverse())
        if (item.name) {
          make("text", { x: right, y: 15, class: "n", style: `fill:${item.colour}` }, svg, item.name);
          right -= 7 * item.name.length + 14;
        }
      const rowAt = (event) => {
        const box = svg.getBoundingClientRect();
        return from + ((to - from) * (((event.clientX - box.left) * width) / box.width - LEFT)) / (width - LEFT - RIGHT);
      };
      svg.addEventListener("pointermove", (event) => {
        const row = Math.round(rowAt(event));
        if (row < 0 || row >= n) return;
        tip.textContent = `${label(chart, row, true)}  ` + chart.lines.map((l) => `${l.name || chart.title} ${short(l.values[row])}`).join(", ");
        tip.style.display = "block";
        tip.style.left = `${Math.min(window.innerWidth - tip.offsetWidth - 8, Math.max(8, event.clientX + 14))}px`;
        tip.style.top = `${Math.max(8, event.clientY - 34)}px`;
      });
      svg.addEventListener("pointerleave", () => (tip.style.display = "none"));
      svg.addEventListener("wheel", (event) => { if (event.ctrlKey || event.shiftKey) { event.preventDefault(); zoom(rowAt(event), event.deltaY > 0 ? 1.25 : 0.8); } }, { passive: false });
      svg.addEventListener("pointerdown", (event) => (dragged = rowAt(event)));
      svg.addEventListener("pointerup", (event) => {
        const end = rowAt(event);
        if (dragged !== null && Math.abs(end - dragged) > (to - from) / 50) show(Math.min(dragged, end), Math.max(dragged, end));
        dragged = null;
      });
      svg.addEventListener("dblclick", () => show(0, n - 1));
      svg.addEventListener("keydown", (event) => {
        const middle = (from + to) / 2, step = (to - from) / 4;
        const keys = { ArrowLeft: () => show(from - step, to - step), ArrowRight: () => show(from + step, to + step), "+": () => zoom(middle, 0.7), "-": () => zoom(middle, 1.4), 0: () => show(0, n - 1) };
        if (keys[event.key]) { event.preventDefault(); keys[event.key](); figure.querySelector("svg").focus(); }
      });
      figure.querySelector("svg").replaceWith(svg);
    };
    const show = (a, b) => {
      const span = Math.min(Math.max(4, b - a), Math.max(1, n - 1));
      from = Math.max(0, Math.min(a, n - 1 - span));
      to = Math.min(Math.max(1, n - 1), from + span);
      draw();
    };
    const zoom = (centre, factor) => show(centre - (centre - from) * factor, centre + (to - centre) * factor);
    draw();
    let timer = null;
    window.addEventListener("resize", () => { clearTimeout(timer); timer = setTimeout(draw, 100); });
  }
})();
