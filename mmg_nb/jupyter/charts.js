// Small line charts in SVG. CSS classes set the colours, so that a theme can change them.

/**
 * A line or an area of a chart: `below` makes an area, `dots` marks each point.
 *
 * @typedef {number[] | Float32Array | Float64Array} Numbers
 * @typedef {{kind: string, x: Numbers, y: Numbers, below?: Numbers, dots?: boolean}} Shape
 *
 * What a chart shows.
 *
 * @typedef {object} Drawn
 * @property {[number, number]} x Limits of the axis.
 * @property {[number, number]} y
 * @property {Shape[]} shapes
 * @property {string} summary Description for screen readers.
 * @property {string} [title] Title, if it changes.
 * @property {boolean} [asIf] Whether all of it is computed as if the data were normal.
 */

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 300; // of a chart that is hidden
const HEIGHT = 185;
const MARGIN = { left: 40, right: 8, top: 8, bottom: 38 };

/**
 * Create an HTML element. Attributes whose names begin with "on" are event listeners.
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, any>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
function make(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/**
 * Create an SVG element, in the same way.
 *
 * @template {keyof SVGElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, any>} [attributes]
 * @param {...(Node | string)} children
 * @returns {SVGElementTagNameMap[Name]}
 */
function draw(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

/**
 * @template {Element} Kind
 * @param {Kind} node
 * @param {Record<string, any>} attributes
 * @param {(Node | string)[]} children
 * @returns {Kind}
 */
function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/**
 * Set a text, but only if it differs: screen readers and observers react to every change.
 *
 * @param {Node} node
 * @param {string} text
 */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A number as the label of a tick, with a typographic minus sign.
 * @param {number} number
 * @param {number} [digits]
 */
function written(number, digits = 6) {
  return String(Number(number.toPrecision(digits))).replace("-", "−");
}

/** About five round numbers between two limits. @param {number} low @param {number} high */
function ticks(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = (([1, 2, 5].find((factor) => factor * power >= rough)) ?? 10) * power;
  const found = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + 1e-9 * step; tick += step) {
    found.push(Math.abs(tick) < 1e-9 * step ? 0 : tick);
  }
  return found;
}

/**
 * Limits of an axis that include 0, all finite values and `floor`, so that it is never empty.
 *
 * @param {Iterable<number>} values
 * @param {number} floor
 * @returns {[number, number]}
 */
function span(values, floor) {
  let low = 0;
  let high = floor;
  for (const value of values) {
    if (Number.isFinite(value)) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return [low < 0 ? low - 0.05 * (high - low) : 0, high + 0.08 * (high - low)];
}

/** A number of nats in a unit.
 * @param {number} nats
 * @param {string} unit `nats` or `bits`.
 */
function inUnit(nats, unit) {
  return unit === "bits" ? nats / Math.LN2 : nats;
}

/**
 * A chart with a title, a legend and axes. Under the mouse, it shows the values of its lines.
 *
 * @param {object} texts
 * @param {string} texts.title Title.
 * @param {string} texts.across Label of the horizontal axis.
 * @param {string[][]} texts.legend [class, text] per line or area.
 */
function createChart({ title, across, legend }) {
  const image = draw("svg", { role: "img", onpointermove: moved, onpointerleave: moved });
  const heading = make("strong", {}, title);
  const keys = legend.map(([kind, text]) =>
    make("span", { class: "mmg-key" }, make("i", { class: `mmg-swatch ${kind}` }), text),
  );
  const caption = make("figcaption", {}, heading, ...keys);
  const node = make("figure", { class: "mmg-chart" }, caption, image);
  let drawn = /** @type {Drawn | null} */ (null);
  let mouse = NaN; // pixels from the left
  new ResizeObserver(paint).observe(image); // so that texts have the same size at any width

  /** @param {Drawn} next */
  function update(next) {
    drawn = next;
    const own = next.title ?? title;
    const named = next.asIf ? `${own}, as if normal` : own;
    say(heading, named);
    node.classList.toggle("mmg-as-if", Boolean(next.asIf));
    legend.forEach(([of], k) => (keys[k].hidden = next.shapes.every(({ kind }) => kind !== of)));
    image.setAttribute("aria-label", `${named}. ${next.summary}`);
    paint();
  }

  /** @param {PointerEvent} event */
  function moved({ type, clientX }) {
    mouse = type === "pointerleave" ? NaN : clientX - image.getBoundingClientRect().left;
    paint();
  }

  function paint() {
    if (!drawn) return;
    const { x, y, shapes } = drawn;
    const width = image.getBoundingClientRect().width || WIDTH;
    image.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const right = width - MARGIN.right;
    const bottom = HEIGHT - MARGIN.bottom;
    /** @param {number} v */
    const toX = (v) => MARGIN.left + ((v - x[0]) / (x[1] - x[0])) * (right - MARGIN.left);
    /** @param {number} v */
    const toY = (v) => bottom - ((v - y[0]) / (y[1] - y[0])) * (bottom - MARGIN.top);
    const axes = draw("g", { class: "mmg-axes" });
    for (const tick of ticks(...y)) {
      axes.append(
        draw("line", { x1: MARGIN.left, x2: right, y1: toY(tick), y2: toY(tick) }),
        draw("text", { x: MARGIN.left - 6, y: toY(tick) + 4, "text-anchor": "end" }, written(tick)),
      );
    }
    for (const tick of ticks(...x)) {
      const anchor = toX(tick) > right - 12 ? "end" : "middle"; // the last label must not be cut
      const at = { x: toX(tick) + (anchor === "end" ? MARGIN.right : 0), y: bottom + 16,
        "text-anchor": anchor };
      axes.append(draw("text", at, written(tick)));
    }
    const middle = (MARGIN.left + right) / 2;
    const label = draw("text", { x: middle, y: HEIGHT - 4, "text-anchor": "middle" }, across);
    axes.append(label);
    image.replaceChildren(axes, ...shapes.map((shape) => outline(shape, toX, toY)));
    const lines = shapes.filter(({ below, dots }) => !below && !dots);
    const { x: grid } = lines[lines.length - 1]; // a line of reference comes first
    const at = nearest(grid, x[0] + ((mouse - MARGIN.left) / (right - MARGIN.left)) * (x[1] - x[0]));
    if (at < 0) return;
    const place = toX(grid[at]);
    axes.append(draw("line", { class: "mmg-cursor", x1: place, x2: place, y1: MARGIN.top, y2: bottom }));
    label.append(` ${written(grid[at], 3)}:`);
    for (const { kind, x: own, y: values } of lines) {
      label.append(draw("tspan", { class: kind, dx: 6 }, written(values[nearest(own, grid[at])], 3)));
    }
  }

  return { node, update };
}

/** Place of the value that is nearest to another one; −1 if that is NaN or there is none.
 * @param {Numbers} values
 * @param {number} to
 */
function nearest(values, to) {
  let best = -1;
  for (let i = 0; i < values.length && !Number.isNaN(to); i += 1) {
    if (best < 0 || Math.abs(values[i] - to) < Math.abs(values[best] - to)) best = i;
  }
  return best;
}

/**
 * @param {Shape} shape
 * @param {(value: number) => number} toX
 * @param {(value: number) => number} toY
 */
function outline({ kind, x, y, below, dots }, toX, toY) {
  /** @param {Numbers} values */
  const point = (values) => (/** @type {number} */ i) => `${toX(x[i]).toFixed(1)},${toY(values[i]).toFixed(1)}`;
  const order = [...x.keys()].filter((i) => Number.isFinite(y[i]));
  const forward = order.map(point(y));
  if (dots) return draw("path", { class: kind, d: forward.map((at) => `M${at}h0`).join("") });
  if (below === undefined) return draw("polyline", { class: kind, points: forward.join(" ") });
  const back = order.reverse().map(point(below));
  return draw("polygon", { class: kind, points: [...forward, ...back].join(" ") });
}
