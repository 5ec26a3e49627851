// Two columns of a table as a scatter plot in SVG. Needs charts.js.

/**
 * A column of the table.
 *
 * @typedef {object} Column
 * @property {string} name
 * @property {number} low Smallest value.
 * @property {number} high Largest value.
 * @property {string[]} levels Names of the categories; empty for numbers.
 * @property {Float32Array} values Some rows, from 0 (low) to 1 (high); NaN where missing.
 */

const PLOT = { width: 360, height: 270, left: 62, right: 10, top: 8, bottom: 44, dot: 2.3 };
const MAX_LEVELS = 8; // names of categories on one axis
const MAX_LETTERS = 9; // of such a name

/** A number between −0.5 and 0.5 that depends only on the row, to separate equal values.
 * @param {number} row
 * @param {number} salt
 */
function jitter(row, salt) {
  const wave = Math.sin((row + 1) * salt) * 43758.5453;
  return wave - Math.floor(wave) - 0.5;
}

/** Where a value lies on its axis, from 0 to 1. Categories get a band each.
 * @param {Column} column
 * @param {number} row
 * @param {number} salt
 */
function along({ values, levels }, row, salt) {
  if (!levels.length) return values[row];
  const bands = levels.length;
  return (values[row] * (bands - 1) + 0.5 + 0.6 * jitter(row, salt)) / bands;
}

/** Marks of an axis: where, and what.
 * @param {Column} column
 * @returns {[number, string][]}
 */
function labels({ low, high, levels }) {
  if (levels.length) {
    const every = Math.ceil(levels.length / MAX_LEVELS);
    return levels.flatMap((name, k) =>
      k % every ? [] : [[(k + 0.5) / levels.length, shortened(name, MAX_LETTERS)]],
    );
  }
  return ticks(low, high).map((tick) => [(tick - low) / (high - low), written(tick)]);
}

/** @param {string} text @param {number} room */
function shortened(text, room) {
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
}

/** A scatter plot of two columns. */
function createScatter() {
  const { width, height, left, right, top, bottom, dot } = PLOT;
  const node = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "mmg-scatter" });
  /** @param {number} share */
  const toX = (share) => left + (0.02 + 0.96 * share) * (width - left - right);
  /** @param {number} share */
  const toY = (share) => height - bottom - (0.02 + 0.96 * share) * (height - top - bottom);

  /**
   * @param {Column} a The horizontal column.
   * @param {Column} b The vertical column.
   */
  function update(a, b) {
    const axes = draw("g", { class: "mmg-axes" });
    const ends = { left, right: width - right, top, bottom: height - bottom };
    axes.append(
      draw("rect", { class: "mmg-frame", x: ends.left, y: ends.top, width: ends.right - ends.left,
        height: ends.bottom - ends.top }),
    );
    for (const [share, text] of labels(a)) {
      const at = { x: toX(share), y: ends.bottom + 15, "text-anchor": "middle" };
      axes.append(draw("text", at, text));
    }
    for (const [share, text] of labels(b)) {
      const at = { x: ends.left - 6, y: toY(share) + 4, "text-anchor": "end" };
      axes.append(draw("text", at, text));
    }
    const middle = (ends.top + ends.bottom) / 2;
    axes.append(
      draw("text", { class: "mmg-axis", x: (ends.left + ends.right) / 2, y: height - 6,
        "text-anchor": "middle" }, shortened(a.name, 44)),
      draw("text", { class: "mmg-axis", x: 12, y: middle, "text-anchor": "middle",
        transform: `rotate(-90 12 ${middle})` }, shortened(b.name, 34)),
    );
    const dots = draw("g", { class: "mmg-points" });
    let shown = 0;
    for (let row = 0; row < a.values.length; row += 1) {
      const x = along(a, row, 12.9898);
      const y = along(b, row, 78.233);
      if (Number.isNaN(x + y)) continue;
      dots.append(draw("circle", { cx: toX(x).toFixed(1), cy: toY(y).toFixed(1), r: dot }));
      shown += 1;
    }
    node.replaceChildren(axes, dots);
    node.setAttribute("aria-label", `Scatter plot of ${shown} rows: ${a.name} and ${b.name}.`);
  }

  return { node, update };
}
