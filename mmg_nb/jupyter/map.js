// The map of all pairs of columns, on a canvas. Needs charts.js and scatter.js.

/**
 * What the map shows. `estimate` gives an estimate and its standard error, nats, NaN if unknown.
 *
 * @typedef {object} Shown
 * @property {number[]} rows Columns of the table, from top to bottom.
 * @property {number[]} across Columns of the table, from left to right.
 * @property {string[]} names
 * @property {number[]} groups Group of each column of the table; empty without groups.
 * @property {(i: number, j: number) => [number, number]} estimate
 * @property {(i: number, j: number) => boolean} disagree
 * @property {(i: number, j: number) => boolean} refined
 * @property {number} target A column, or −1.
 * @property {string} unit Of the numbers in the cells: `nats` or `bits`.
 *
 * @typedef {[number, number]} Pair Two columns of the table: that of the row, and the other one.
 *
 * @typedef {object} Handlers
 * @property {(pair: Pair | null) => void} point A pair under the mouse or the cursor.
 * @property {(pair: Pair) => void} open
 * @property {(column: number) => void} choose A label is chosen.
 *
 * @typedef {{x: number, y: number, cell: number, gap: number, xs: number[], ys: number[],
 *   width: number, height: number, font: number}} Layout
 */

const CELL = { least: 5, most: 44, values: 30 }; // pixels; from `values` on, numbers fit in
const LABELS = { across: 150, up: 96 }; // the most room for labels, pixels
const GAP = 4; // pixels between two groups
const SLANT = Math.PI / 4;

/** The strength that gives the colour: the correlation of a Gaussian pair with as much information.
 * @param {number} mi
 */
function correlation(mi) {
  return Math.sqrt(1 - Math.exp(-2 * Math.max(0, mi)));
}

/** Whether an estimate lies within two standard errors of 0.
 * @param {[number, number]} estimate
 */
function isFaint([mi, stderr]) {
  return !(mi > 2 * stderr);
}

/** Colours of a node, as its style sheet gives them: they depend on the theme.
 * @param {Element} node
 */
function coloursOf(node) {
  const probe = make("i");
  node.append(probe);
  /** @param {string} name */
  const of = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const colours = {
    ink: of("--ink"), soft: of("--soft"), line: of("--line"), paper: of("--paper"), mark: of("--b"),
    focus: of("--a"), band: of("--density"),
    ramp: blended([0, 1, 2, 3, 4, 5, 6].map((k) => of(`--ramp-${k}`)), 64),
  };
  probe.remove();
  return colours;
}

/** Blend a few colours `rgb(r, g, b)` into `count` ones.
 * @param {string[]} stops
 * @param {number} count
 */
function blended(stops, count) {
  const parts = stops.map((stop) => (stop.match(/[\d.]+/g) ?? []).map(Number));
  return Array.from({ length: count }, (_, k) => {
    const place = (k / (count - 1)) * (parts.length - 1);
    const from = Math.min(Math.floor(place), parts.length - 2);
    const mix = parts[from].map((v, c) => Math.round(v + (place - from) * (parts[from + 1][c] - v)));
    return { css: `rgb(${mix.join(",")})`, dark: 0.3 * mix[0] + 0.6 * mix[1] + 0.1 * mix[2] < 130 };
  });
}

/** Where rows and columns lie. A gap separates two groups.
 * @param {number[]} order
 * @param {number[]} groups
 * @param {number} from
 * @param {number} cell
 */
function places(order, groups, from, cell) {
  let at = from - cell;
  return order.map((column, k) => {
    const parted = k > 0 && groups.length && groups[column] !== groups[order[k - 1]];
    at += cell + (parted ? GAP : 0);
    return at;
  });
}

/**
 * The map. It is drawn at most once a frame, and its cells only if they have changed.
 *
 * @param {Handlers} handlers
 * @param {AbortSignal} signal Ends its watching of the page.
 */
function createMap(handlers, signal) {
  const canvas = make("canvas", { tabindex: 0, role: "application", class: "mmg-map",
    "aria-label": "Map of all pairs. Arrow keys move, Enter opens a pair, T ranks by the column.",
    onpointermove: moved, onpointerleave: left, onclick: clicked, onkeydown: pressed,
    onfocus: focused, onblur: later });
  const node = make("div", { class: "mmg-canvas" }, canvas);
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const layer = make("canvas"); // the cells, which stay while the mouse moves
  const brush = /** @type {CanvasRenderingContext2D} */ (layer.getContext("2d"));
  let colours = /** @type {ReturnType<typeof coloursOf> | null} */ (null);
  let shown = /** @type {Shown | null} */ (null);
  let layout = /** @type {Layout | null} */ (null);
  let hover = /** @type {Pair | null} */ (null);
  let cursor = /** @type {Pair | null} */ (null);
  let due = false;
  let fresh = false; // whether the layer shows what is known
  let frames = 0;
  let cells = 0; // painted so far

  const resized = new ResizeObserver(() => later());
  resized.observe(node);
  const themed = new MutationObserver(() => recolour());
  for (const each of [document.body, document.documentElement]) {
    themed.observe(each, { attributes: true });
  }
  signal.addEventListener("abort", () => {
    resized.disconnect();
    themed.disconnect();
  });

  function recolour() {
    colours = null;
    fresh = false;
    later();
  }

  /** @param {Shown} next */
  function update(next) {
    shown = next;
    fresh = false;
    later();
  }

  function later() {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      if (shown && node.clientWidth) paint(shown);
    });
  }

  // --- drawing

  /** @param {Shown} what @returns {Layout} */
  function arranged({ rows, across, names, groups }) {
    const width = node.clientWidth;
    pen.font = `600 12px ${fontOf()}`;
    const longest = Math.max(0, ...rows.map((k) => pen.measureText(names[k]).width));
    const x = Math.min(LABELS.across, Math.ceil(longest) + 10, width / 4);
    const highest = Math.max(0, ...across.map((k) => pen.measureText(names[k]).width));
    const y = Math.min(LABELS.up, Math.ceil(highest * Math.sin(SLANT)) + 14);
    const gaps = across.filter((k, n) => n && groups.length && groups[k] !== groups[across[n - 1]]);
    const right = Math.min(LABELS.up, highest * Math.cos(SLANT)) * 0.6 + 6;
    const room = (width - x - right - GAP * gaps.length) / Math.max(1, across.length);
    const cell = Math.max(CELL.least, Math.min(CELL.most, Math.floor(room * 2) / 2));
    const xs = places(across, groups, x, cell);
    const ys = places(rows, groups, y, cell);
    const height = (ys.at(-1) ?? y) + cell + 4;
    const font = Math.max(8, Math.min(12, cell));
    return { x, y, cell, gap: cell > 12 ? 1 : cell > 7 ? 0.5 : 0, xs, ys, width, height, font };
  }

  function fontOf() {
    return getComputedStyle(node).fontFamily || "sans-serif";
  }

  /** @param {Shown} what */
  function paint(what) {
    colours ??= coloursOf(node);
    if (!fresh || layout?.width !== node.clientWidth) {
      layout = arranged(what);
      paintLayer(what, layout);
    }
    const { width, height } = layout;
    pen.clearRect(0, 0, width, height);
    paintBands(what, layout);
    pen.drawImage(layer, 0, 0, width, height);
    paintLabels(what, layout);
    paintFrame(what, cursor, document.activeElement === canvas ? 2 : 1);
    paintFrame(what, hover, 1);
    frames += 1;
    canvas.dataset.frames = String(frames);
    canvas.dataset.cells = String(cells);
  }

  /** @param {Shown} what @param {Layout} at */
  function paintLayer(what, at) {
    const dense = window.devicePixelRatio || 1;
    for (const [each, its] of /** @type {const} */ ([[canvas, pen], [layer, brush]])) {
      each.width = Math.round(at.width * dense); // clears it, too
      each.height = Math.round(at.height * dense);
      its.setTransform(each.width / at.width, 0, 0, each.height / at.height, 0, 0);
    }
    canvas.style.height = `${at.height}px`;
    paintCells(brush, what, at);
    fresh = true;
  }

  /** Rows and columns of the target and of the pair under the mouse or the cursor.
   * @param {Shown} what
   * @param {Layout} at
   */
  function paintBands({ rows, across, target }, { xs, ys, cell, width, height }) {
    if (!rows.length) return;
    pen.fillStyle = colours?.band ?? "";
    pen.globalAlpha = 0.55;
    for (const column of new Set([...(hover ?? cursor ?? []), target])) {
      const row = ys[rows.indexOf(column)];
      const place = xs[across.indexOf(column)];
      if (row !== undefined) pen.fillRect(0, row, (xs.at(-1) ?? width) + cell, cell);
      if (place !== undefined) pen.fillRect(place, 0, cell, height);
    }
    pen.globalAlpha = 1;
  }

  /** @param {CanvasRenderingContext2D} pen @param {Shown} what @param {Layout} at */
  function paintCells(pen, { rows, across, estimate, disagree, refined, unit }, { xs, ys, cell, gap, font }) {
    if (!colours) return;
    const { ramp, line, soft, mark, paper } = colours;
    const size = cell - gap;
    const numbers = cell >= CELL.values;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.font = `${Math.min(font, 11)}px ${fontOf()}`;
    rows.forEach((i, n) => {
      const y = ys[n];
      across.forEach((j, m) => {
        const x = xs[m];
        if (i === j) {
          pen.strokeStyle = line;
          pen.lineWidth = 1;
          pen.beginPath();
          pen.moveTo(x + 0.25 * size, y + 0.25 * size);
          pen.lineTo(x + 0.75 * size, y + 0.75 * size);
          pen.stroke();
          return;
        }
        cells += 1;
        const found = estimate(i, j);
        if (Number.isNaN(found[0])) return;
        const strength = correlation(found[0]);
        const shade = ramp[Math.round(strength * (ramp.length - 1))];
        const faint = isFaint(found);
        if (faint) {
          const dot = Math.max(1, cell / 14);
          pen.fillStyle = soft;
          pen.beginPath();
          pen.arc(x + cell / 2, y + cell / 2, dot, 0, 7);
          pen.fill();
        } else {
          pen.fillStyle = shade.css;
          pen.fillRect(x, y, size, size);
        }
        if (numbers && !faint) {
          pen.fillStyle = shade.dark ? "#fff" : "#111";
          pen.fillText(inUnit(found[0], unit).toFixed(2), x + size / 2, y + size / 2 + 0.5);
        }
        if (disagree(i, j)) {
          const side = Math.max(3, size / 3);
          pen.fillStyle = mark;
          pen.beginPath();
          pen.moveTo(x + size, y);
          pen.lineTo(x + size - side, y);
          pen.lineTo(x + size, y + side);
          pen.fill();
        }
        if (refined(i, j)) {
          pen.fillStyle = faint ? soft : paper;
          const dot = Math.max(1, cell / 12);
          pen.beginPath();
          pen.arc(x + size / 5, y + size - size / 5, dot, 0, 7);
          pen.fill();
        }
      });
    });
  }

  /** @param {Shown} what @param {Layout} at */
  function paintLabels({ rows, across, names, target }, { x, xs, ys, width, cell, font }) {
    if (!colours) return;
    const marked = new Set([...(hover ?? cursor ?? []), target]);
    const every = Math.ceil((font + 1) / (cell + 0.5));
    /** @param {number} column @param {number} n */
    const style = (column, n) => {
      const bold = marked.has(column);
      pen.fillStyle = (bold ? colours?.ink : colours?.soft) ?? "";
      pen.font = `${bold ? "600 " : ""}${font}px ${fontOf()}`;
      return bold || n % every === 0;
    };
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    rows.forEach((column, n) => {
      if (style(column, n)) pen.fillText(fitted(names[column], x - 8), x - 6, ys[n] + cell / 2);
    });
    pen.textAlign = "left";
    across.forEach((column, m) => {
      if (!style(column, m)) return;
      pen.save();
      pen.translate(xs[m] + cell / 2, (ys[0] ?? 0) - 5);
      pen.rotate(-SLANT);
      const room = Math.min((LABELS.up - 12) / Math.sin(SLANT), (width - xs[m] - cell) / Math.cos(SLANT));
      pen.fillText(fitted(names[column], room), 0, 0);
      pen.restore();
    });
  }

  /** A text that is at most so wide.
   * @param {string} text
   * @param {number} room
   */
  function fitted(text, room) {
    if (pen.measureText(text).width <= room) return text;
    let length = text.length - 1;
    while (length > 1 && pen.measureText(`${text.slice(0, length)}…`).width > room) length -= 1;
    return `${text.slice(0, length)}…`;
  }

  /** @param {Shown} what @param {Pair | null} pair @param {number} weight */
  function paintFrame({ rows, across }, pair, weight) {
    if (!pair || !layout || !colours) return;
    const [n, m] = [rows.indexOf(pair[0]), across.indexOf(pair[1])];
    if (n < 0 || m < 0) return;
    pen.strokeStyle = weight > 1 ? colours.focus : colours.ink;
    pen.lineWidth = weight;
    const size = layout.cell - layout.gap + weight;
    pen.strokeRect(layout.xs[m] - weight / 2, layout.ys[n] - weight / 2, size, size);
  }

  // --- mouse and keys

  /** The index of the place that holds a coordinate, or −1.
   * @param {number[]} at
   * @param {number} value
   */
  function within(at, value) {
    return layout ? at.findIndex((from) => value >= from && value < from + (layout?.cell ?? 0)) : -1;
  }

  /** @param {MouseEvent} event @returns {{n: number, m: number, x: number, y: number}} */
  function hit({ offsetX: x, offsetY: y }) {
    return { n: within(layout?.ys ?? [], y), m: within(layout?.xs ?? [], x), x, y };
  }

  /** @param {MouseEvent} event @returns {Pair | null} */
  function pairAt(event) {
    const { n, m } = hit(event);
    if (!shown || n < 0 || m < 0) return null;
    const pair = /** @type {Pair} */ ([shown.rows[n], shown.across[m]]);
    return pair[0] === pair[1] ? null : pair;
  }

  /** @param {PointerEvent} event */
  function moved(event) {
    const pair = pairAt(event);
    const { n, m, x, y } = hit(event);
    const label = layout && ((x < layout.x && n >= 0) || (y < layout.y && m >= 0));
    canvas.style.cursor = pair || label ? "pointer" : "default";
    if (pair?.[0] === hover?.[0] && pair?.[1] === hover?.[1]) return;
    hover = pair;
    handlers.point(hover ?? cursor);
    later();
  }

  function left() {
    hover = null;
    handlers.point(cursor);
    later();
  }

  /** @param {MouseEvent} event */
  function clicked(event) {
    const pair = pairAt(event);
    const { n, m, x, y } = hit(event);
    if (pair) select(pair, true);
    else if (shown && n >= 0 && m >= 0) handlers.choose(shown.rows[n]); // the diagonal
    else if (shown && layout && x < layout.x && n >= 0) handlers.choose(shown.rows[n]);
    else if (shown && layout && y < layout.y && m >= 0) handlers.choose(shown.across[m]);
  }

  function focused() {
    if (shown && !cursor && shown.rows.length && shown.across.length > 1) {
      const j = shown.across.find((k) => k !== shown?.rows[0]) ?? shown.across[0];
      select([shown.rows[0], j], false);
    }
    later();
  }

  /** @param {Pair} pair @param {boolean} open */
  function select(pair, open) {
    cursor = pair;
    handlers.point(pair);
    if (open) handlers.open(pair);
    later();
  }

  /** @param {KeyboardEvent} event */
  function pressed(event) {
    const steps = /** @type {Record<string, [number, number]>} */ ({ ArrowUp: [-1, 0],
      ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -1e6], End: [0, 1e6] });
    const step = steps[event.key];
    if (!shown || !cursor || event.ctrlKey || event.metaKey || event.altKey) return;
    if (step) step_(step);
    else if (event.key === "Enter" || event.key === " ") handlers.open(cursor);
    else if (event.key === "t" || event.key === "T") handlers.choose(cursor[0]);
    else return;
    event.preventDefault();
  }

  /** Move the cursor; it skips the diagonal.
   * @param {[number, number]} by
   */
  function step_([down, right]) {
    if (!shown || !cursor) return;
    const { rows, across } = shown;
    /** @param {number} value @param {number} length */
    const inside = (value, length) => Math.max(0, Math.min(length - 1, value));
    let n = inside(rows.indexOf(cursor[0]) + down, rows.length);
    let m = inside(across.indexOf(cursor[1]) + right, across.length);
    if (rows[n] === across[m]) {
      n = inside(n + Math.sign(down), rows.length);
      m = inside(m + Math.sign(right), across.length);
    }
    if (rows[n] !== across[m]) select([rows[n], across[m]], false);
  }

  return {
    node,
    canvas,
    update,
    /** @param {Pair} pair */
    mark: (pair) => select(pair, false),
  };
}
