// A table to explore: map, ranking, pairs. Needs charts.js, live.js, slot.js, scatter.js, map.js.

/**
 * One estimate as a bar.
 *
 * @typedef {object} Bar
 * @property {string} name
 * @property {number} mi
 * @property {number} stderr
 * @property {Pair | null} pair Pair to open on a click.
 * @property {string} [hint]
 *
 * @typedef {object} Answer
 * @property {number[]} columns
 * @property {string} estimator
 * @property {string} error
 * @property {number} mi
 * @property {number | null} stderr
 * @property {boolean} settled Whether more training would not help.
 * @property {boolean} stopped Whether it has ended too early for the map.
 * @property {boolean} long Whether it was a longer refinement.
 * @property {string[]} notes
 * @property {number} rows
 * @property {number[][]} curve
 */

const METHODS = /** @type {const} */ (["gcmi", "ksg", "mmg"]);
const METHOD_NAMES = { gcmi: "closed form", ksg: "neighbours", mmg: "denoisers" };
const METHOD_HINTS = {
  gcmi: "Closed form (gcmi). It sees monotonic dependence only, so it is often lower.",
  ksg: "Nearest neighbours (ksg), on the rows of the map.",
  mmg: "Networks that remove noise (mmg), on all rows: what Refine adds.",
};
const REFINE = {
  first: "Estimate this pair again, by training networks (mmg) on all rows. It usually takes half a " +
    "minute to a few minutes. The page stays usable, and Stop ends it. The map takes the new value " +
    "if it is better founded.",
  longer: "Train again with more steps. It takes several times as long as Refine.",
  done: "This pair is refined. Training longer would not help.",
};
const LONG_HELPS = 1000; // rows; as EFFORT_HELPS in mmse/diagnosis.py
const STRONGEST = 15; // pairs in the list without a target
const WATCHED = ["said", "gcmi", "ksg", "mmg", "best", "marks", "clusters", "answers", "working", "first",
  "curves", "remarks", "message", "unit"];
const ORDERS = { clusters: "clusters", table: "as in the table", name: "by name",
  strength: "strongest first", kind: "numbers, categories" };

/** @param {number} value */
function number(value) {
  return Math.abs(value) < 0.0005 ? "0.000" : value.toFixed(3).replace("-", "−");
}

/** An estimate with its error, nats, as text in a unit.
 * @param {number} mi @param {number | null} stderr @param {string} unit
 */
function amount(mi, stderr, unit) {
  const known = stderr !== null && !Number.isNaN(stderr);
  const error = known ? ` ± ${number(inUnit(stderr, unit))}` : "";
  return `${number(inUnit(mi, unit))}${error} ${unit}`;
}

/** What the kernel knows of the table, read from the model.
 * @param {Model} model
 */
function createData(model) {
  const { columns } = model.get("table");
  const names = columns.map((/** @type {Column} */ each) => each.name);
  const count = names.length;
  const sample = floats(model.get("sample"), count);
  /** @type {Record<string, Float32Array[]>} */
  let found = {};
  let marks = /** @type {DataView | null} */ (null);

  function read() {
    found = Object.fromEntries([...METHODS, "best"].map((each) => [each, floats(model.get(each), 2)]));
    marks = model.get("marks");
  }

  /** @param {number} i @param {number} j */
  function place(i, j) {
    const [a, b] = i < j ? [i, j] : [j, i];
    return a * count - (a * (a + 1)) / 2 + b - a - 1;
  }

  /** @param {string} method @param {number} i @param {number} j @returns {[number, number]} */
  function by(method, i, j) {
    const [mi, stderr] = found[method] ?? [];
    const at = place(i, j);
    return mi?.length ? [mi[at], stderr[at]] : [NaN, NaN];
  }

  /** @param {number} i @param {number} j @returns {[number, number]} */
  const best = (i, j) => by("best", i, j);

  /** Which methods disagree: 1 neighbours and denoisers, 2 closed form higher, 3 both.
   * @param {number} i @param {number} j
   */
  const conflict = (i, j) => (marks?.byteLength ? marks.getUint8(place(i, j)) : 0);

  return {
    names,
    count,
    read,
    unit: () => /** @type {string} */ (model.get("unit")),
    by,
    best,
    /** @param {number} k @returns {Column} */
    column: (k) => ({ ...columns[k], values: sample[k] }),
    /** @param {number} i @param {number} j */
    disagree: (i, j) => conflict(i, j) > 0,
    conflict,
    /** @param {number} i @param {number} j */
    refined: (i, j) => !Number.isNaN(by("mmg", i, j)[0]),
    isCategory: (/** @type {number} */ k) => columns[k].levels.length > 0,
  };
}

/** Bars with 95 % intervals. A bar with a pair is a button. Rows stay, so that clicks are not lost.
 * @param {(pair: Pair) => void} open
 * @param {() => string} unit
 */
function createBars(open, unit) {
  const node = make("div", { class: "mmg-bars" });
  const rows = /** @type {ReturnType<typeof createRow>[]} */ ([]);

  /** @param {boolean} opens */
  function createRow(opens) {
    let shown = /** @type {Bar | null} */ (null);
    const bar = make("i", { class: "mmg-bar-fill" });
    const whisker = make("i", { class: "mmg-whisker" });
    const name = make("span", { class: "mmg-bar-name" });
    const value = make("span", { class: "mmg-value" });
    const parts = [name, make("span", { class: "mmg-track" }, bar, whisker), value];
    const row = opens
      ? make("button", { type: "button", onclick: () => shown?.pair && open(shown.pair) }, ...parts)
      : make("div", {}, ...parts);

    /** @param {Bar} next @param {number} top The end of the axis, nats. */
    function update(next, top) {
      shown = next;
      const { mi, stderr } = next;
      /** @param {number} at */
      const share = (at) => (100 * Math.max(0, Math.min(top, at))) / top;
      const known = !Number.isNaN(mi);
      const [low, high] = [share(mi - 1.96 * stderr), share(mi + 1.96 * stderr)];
      say(name, next.name);
      name.title = next.hint ?? next.name;
      say(value, known ? amount(mi, stderr, unit()) : "…");
      bar.style.width = `${known ? share(mi) : 0}%`;
      whisker.hidden = !known || Number.isNaN(stderr);
      whisker.style.left = `${low}%`;
      whisker.style.width = `${high - low}%`;
      row.className = `mmg-bar-row${known && isFaint([mi, stderr]) ? " mmg-faint" : ""}`;
      const said = known ? amount(mi, stderr, unit()) : "not known yet";
      if (opens) row.setAttribute("aria-label", `${next.name}: ${said}`);
    }

    return { row, update, opens };
  }

  /** @param {Bar[]} bars */
  function update(bars) {
    const ends = bars.map(({ mi, stderr }) => mi + 1.96 * (stderr || 0));
    const top = Math.max(0.05, ...ends.filter(Number.isFinite));
    bars.forEach((bar, k) => {
      if (rows[k]?.opens !== Boolean(bar.pair)) {
        const made = createRow(Boolean(bar.pair));
        rows[k] ? rows[k].row.replaceWith(made.row) : node.append(made.row);
        rows[k] = made;
      }
      rows[k].update(bar, top);
    });
    for (const { row } of rows.splice(bars.length)) row.remove();
  }

  return { node, update };
}

/** One pair: its scatter plot, estimates, curves, and what can be asked.
 * @param {Model} model
 * @param {ReturnType<typeof createData>} data
 */
function createPair(model, data) {
  const title = make("h4");
  const headline = make("strong", { class: "mmg-headline" });
  const meaning = make("span", { class: "mmg-soft" });
  const scatter = createScatter();
  const bars = createBars(() => {}, data.unit);
  const refine = make("button", { type: "button", class: "mmg-start", onclick: ask }, "Refine");
  const advice = make("div", { class: "mmg-advice", role: "note" });
  const end = make("button", { type: "button", onclick: () => model.send({ action: "end" }) }, "Stop");
  const given = make("select", { "aria-label": "given", onchange: condition });
  const doing = make("span", { class: "mmg-soft", role: "status" });
  const errors = createChart({ title: "Denoising error", across: "log-SNR",
    legend: [["mmg-a", "alone"], ["mmg-b", "with the other column"], ["mmg-gap", "area = 2·MI, in nats"]] });
  const notes = make("details", { class: "mmg-notes" });
  const node = make("section", { class: "mmg-pair", "aria-label": "Pair" },
    title,
    make("div", { class: "mmg-said" }, headline, meaning),
    advice,
    scatter.node,
    bars.node,
    make("div", { class: "mmg-asking" }, refine, given, end, doing),
    errors.node,
    notes,
  );
  let pair = /** @type {Pair | null} */ (null);
  let drawn = "";

  function asked() {
    return given.value === "" ? [] : [Number(given.value)];
  }

  function ask() {
    if (pair && refine.getAttribute("aria-disabled") !== "true") {
      const long = refine.textContent === "Refine longer";
      model.send({ action: "ask", columns: [...pair, ...asked()], estimator: "mmg", long });
    }
  }

  function condition() {
    const third = asked();
    if (pair && third.length) {
      model.send({ action: "ask", columns: [...pair, ...third], estimator: "ksg" });
    }
    update();
  }

  /** @param {Pair} next */
  function open(next) {
    const same = pair && String(pair) === String(next);
    pair = next;
    if (same) return;
    const others = data.names.flatMap((/** @type {string} */ name, /** @type {number} */ k) =>
      next.includes(k) ? [] : [make("option", { value: k }, `given ${name}`)]);
    given.replaceChildren(make("option", { value: "" }, "given …"), ...others);
    update();
  }

  /** Whether columns are those of the pair, in any order, perhaps with a condition.
   * @param {number[]} columns
   */
  function isOurs(columns) {
    return Boolean(pair) && columns.slice(0, 2).every((k) => pair?.includes(k));
  }

  function update() {
    if (!pair) return;
    const [i, j] = pair;
    const [a, b] = [data.column(i), data.column(j)];
    if (drawn !== String(pair)) {
      drawn = String(pair);
      say(title, `${a.name} – ${b.name}`);
      scatter.update(b, a); // as in the map: the row is vertical
    }
    const [mi, stderr] = data.best(i, j);
    const known = !Number.isNaN(mi);
    say(headline, known ? leading(i, j) : "no estimate yet");
    say(meaning, known ? inWords(i, j, [mi, stderr]) : "");
    const ours = /** @type {Answer[]} */ (model.get("answers")).filter((each) => isOurs(each.columns));
    bars.update([...METHODS.flatMap((each) => line(each, i, j)), ...ours.flatMap(conditioned)]);
    showRefine(ours);
    say(advice, known ? advised(i, j, refine.textContent === "Refine longer") : "");
    advice.hidden = !advice.textContent;
    showWork();
    showCurves(ours);
    showNotes(ours);
  }

  /** @param {number} i @param {number} j @param {[number, number]} estimate */
  function inWords(i, j, estimate) {
    const strength = `as strong as a correlation of ${correlation(estimate[0]).toFixed(2)}`;
    return isFaint(estimate) ? "not distinguishable from 0" : strength;
  }

  /** The estimate; both, if neighbours and denoisers disagree.
   * @param {number} i @param {number} j
   */
  function leading(i, j) {
    /** @param {"ksg" | "mmg"} method */
    const by = (method) => `${amount(...data.by(method, i, j), data.unit())} by ${METHOD_NAMES[method]}`;
    if (data.conflict(i, j) & 1) return `${by("ksg")}, ${by("mmg")}`;
    return amount(...data.best(i, j), data.unit());
  }

  /** Which estimators disagree and what to do, or what a refinement has changed.
   * @param {number} i @param {number} j @param {boolean} longer Whether the button refines longer.
   */
  function advised(i, j, longer) {
    const marks = data.conflict(i, j);
    const next = longer ? "Refine longer to decide." : "Take both as the range of what is plausible.";
    if (marks & 1) return `Neighbours and denoisers disagree. ${next}`;
    if (marks & 2) {
      const then = data.refined(i, j) ? "Look for outliers in the plot." : "Refine to decide.";
      return `The closed form is clearly higher than the other estimate. ${then}`;
    }
    const [counted] = data.by("ksg", i, j);
    if (!data.refined(i, j) || Number.isNaN(counted)) return "";
    return "Neighbours and denoisers agree. The value with the smaller error is shown.";
  }

  /** What the button does next: after a refinement, only a longer one can help.
   * @param {Answer[]} ours
   */
  function showRefine(ours) {
    const same = ours.filter(({ columns, estimator, error }) => estimator === "mmg" && !error &&
      String(columns.slice(2)) === String(asked()));
    const last = same.at(-1);
    const open = pair && !asked().length && data.conflict(...pair) & 1;
    const settled = last?.settled && !(open && last.rows >= LONG_HELPS);
    const kind = !last || last.stopped ? "first" : settled || last.long ? "done" : "longer";
    say(refine, { first: "Refine", longer: "Refine longer", done: "Refined" }[kind]);
    refine.title = REFINE[kind];
    refine.dataset.kind = kind;
  }

  /** @param {keyof typeof METHOD_NAMES} method @param {number} i @param {number} j @returns {Bar[]} */
  function line(method, i, j) {
    const [mi, stderr] = data.by(method, i, j);
    const name = METHOD_NAMES[method];
    return Number.isNaN(mi) ? [] : [{ name, mi, stderr, pair: null, hint: METHOD_HINTS[method] }];
  }

  /** @param {Answer} answer @returns {Bar[]} */
  function conditioned({ columns, estimator, mi, stderr, error }) {
    if (columns.length < 3 || error) return [];
    const name = `given ${data.names[columns[2]]}${estimator === "mmg" ? ", denoisers" : ""}`;
    return [{ name, mi, stderr: stderr ?? NaN, pair: null, hint: `${name} (${estimator})` }];
  }

  function showWork() {
    const work = model.get("working");
    const busy = Boolean(work.columns);
    const mine = busy && isOurs(work.columns);
    const queued = busy && work.waiting.some((/** @type {number[]} */ each) => isOurs(each));
    refine.setAttribute("aria-disabled", String(mine || queued || refine.dataset.kind === "done"));
    end.hidden = !mine;
    const said = mine ? [work.doing, work.estimate].filter(Boolean).join("; ") : "";
    say(doing, queued ? "waits for another pair" : said);
  }

  /** @param {Answer[]} ours */
  function showCurves(ours) {
    const work = model.get("working");
    const live = work.columns && isOurs(work.columns) ? floats(model.get("curves"), 5) : [];
    const last = ours.filter(({ curve }) => curve?.length).at(-1);
    const first = live.length ? floats(model.get("first"), 5) : [];
    const [logsnr, alone, other] = live[0]?.length ? live : (last?.curve ?? first);
    errors.node.hidden = !logsnr?.length;
    if (!logsnr?.length) return;
    const [x, y, below] = [logsnr, alone, other].map((row) => Float64Array.from(row));
    errors.update({
      x: [x[0], x[x.length - 1]],
      y: span([...y, ...below], 0.1),
      shapes: [
        { kind: "mmg-gap", x, y, below },
        { kind: "mmg-a", x, y },
        { kind: "mmg-b", x, y: below },
      ],
      summary: "Error without and with the other column.",
      asIf: logsnr === first[0],
    });
  }

  /** @param {Answer[]} ours */
  function showNotes(ours) {
    const said = ours.flatMap((each) =>
      each.error ? [each.error] : each.notes);
    const texts = [...new Set(said)];
    notes.hidden = texts.length === 0;
    notes.replaceChildren(
      make("summary", {}, texts.length === 1 ? "1 note" : `${texts.length} notes`),
      make("ul", {}, ...texts.map((text) => make("li", {}, text))),
    );
    if (ours.some(({ error }) => error)) notes.open = true;
  }

  return { node, open, update, focus: () => refine.focus(), pair: () => pair };
}

/** A list of the columns: which ones are shown. Groups can be shown and hidden together.
 * @param {string[]} names
 * @param {() => void} changed
 */
function createColumns(names, changed) {
  const hidden = new Set(/** @type {number[]} */ ([]));
  let arranged = "";
  const summary = make("summary", {});
  const list = make("div", { class: "mmg-list" });
  const all = make("button", { type: "button", onclick: () => show(names.keys(), true) }, "All");
  const none = make("button", { type: "button", onclick: () => show(names.keys(), false) }, "None");
  const node = make("details", { class: "mmg-menu" }, summary,
    make("div", { class: "mmg-sheet" }, make("div", { class: "mmg-buttons" }, all, none), list));

  /** @param {Iterable<number>} columns @param {boolean} visible */
  function show(columns, visible) {
    for (const k of columns) visible ? hidden.delete(k) : hidden.add(k);
    changed();
  }

  /** @param {number[]} order @param {number[]} groups */
  function arrange(order, groups) {
    const key = JSON.stringify([order, groups, [...hidden]]);
    if (key === arranged) return;
    arranged = key;
    say(summary, `Columns (${names.length - hidden.size} of ${names.length})`);
    const parts = /** @type {Map<number, number[]>} */ (new Map());
    for (const k of order) parts.set(groups[k] ?? 0, [...(parts.get(groups[k] ?? 0) ?? []), k]);
    const several = parts.size > 1;
    const active = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.column;
    list.replaceChildren(...[...parts.values()].map((columns, n) => {
      const label = `Group ${n + 1}`;
      const some = columns.some((k) => !hidden.has(k));
      const head = make("label", { class: "mmg-group" },
        make("input", { type: "checkbox", checked: some, "data-column": `g${n}`,
          onchange: () => show(columns, !some) }), `${label} (${columns.length})`);
      return make("div", { role: "group", "aria-label": label }, ...(several ? [head] : []),
        ...columns.map((k) => make("label", {},
          make("input", { type: "checkbox", checked: !hidden.has(k), "data-column": k,
            onchange: () => show([k], hidden.has(k)) }), names[k])));
    }));
    if (active && list.isConnected) {
      /** @type {HTMLElement | null} */ (list.querySelector(`[data-column="${active}"]`))?.focus();
    }
  }

  return { node, arrange, visible: (/** @type {number} */ k) => !hidden.has(k) };
}

/** Files and code that the kernel makes of the map.
 * @param {Model} model
 * @param {() => number[]} columns
 * @param {(text: string) => void} notify
 */
function createExport(model, columns, notify) {
  const kinds = { svg: "Figure, SVG", png: "Figure, PNG", csv: "All pairs, CSV",
    lines: "Copy %mmg lines", python: "Copy Python" };
  const buttons = Object.entries(kinds).map(([kind, text]) =>
    make("button", { type: "button", onclick: () => ask(kind) }, text));
  const sheet = make("div", { class: "mmg-sheet mmg-column" }, ...buttons);
  const node = make("details", { class: "mmg-menu" }, make("summary", {}, "Export"), sheet);

  /** @param {string} kind */
  function ask(kind) {
    node.open = false;
    notify("Preparing…");
    model.send({ action: "export", kind, columns: columns() });
  }

  /** @param {any} message @param {DataView[]} buffers */
  async function receive(message, buffers) {
    if (message?.file) {
      const url = URL.createObjectURL(new Blob([/** @type {any} */ (buffers[0])], { type: message.type }));
      make("a", { href: url, download: message.file }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
      notify(`Saved ${message.file}.`);
    } else if (message?.copy) {
      try {
        await navigator.clipboard.writeText(message.copy);
        notify("Copied.");
      } catch {
        notify(`The browser does not allow copying. The code is: ${message.copy}`);
      }
    }
  }

  return { node, receive };
}

/** The colours and marks of the map in words. */
function createLegend() {
  const scale = make("span", { class: "mmg-scale", "aria-hidden": "true" });
  const marks = [["mmg-dot", "not distinguishable from 0"], ["mmg-corner", "two estimators disagree"],
    ["mmg-point", "refined"]];
  const numbers = make("span");
  const node = make("div", { class: "mmg-legend" },
    make("span", { title: "The correlation of a Gaussian pair with as much mutual information" },
      "as strong as a correlation of"),
    make("span", {}, "0"), scale, make("span", {}, "1"),
    ...marks.map(([kind, text]) => make("span", { class: "mmg-key" }, make("i", { class: kind }), text)),
    numbers,
  );
  return { node, update: (/** @type {string} */ unit) => say(numbers, `numbers: ${unit}`) };
}

/** The whole view.
 * @param {Model} model
 * @param {AbortSignal} signal
 */
function createExplorer(model, signal) {
  const data = createData(model);
  const names = data.names;
  const table = model.get("table");
  const headline = make("strong", { class: "mmg-headline" }, `All pairs of ${table.name}`);
  const size = make("span", { class: "mmg-subject" }, sizes(table));
  const doing = make("span", { class: "mmg-doing" });
  const status = make("span", { class: "mmg-unseen", role: "status" });
  const fill = make("div", { class: "mmg-fill" });
  const bar = make("div", { class: "mmg-bar", role: "progressbar", "aria-label": "Pairs",
    "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
  const steer = make("button", { type: "button", onclick: () => model.send({ action: going() ? "stop" : "resume" }) });
  const close = make("button", { type: "button", title: "Leave a picture in the page",
    onclick: end }, "Close");
  const search = make("input", { type: "text", "aria-label": "Search columns", spellcheck: "false",
    placeholder: "Search columns", oninput: refresh });
  const arrange = make("select", { "aria-label": "Order of columns", onchange: reorder },
    ...Object.entries(ORDERS).map(([value, text]) => make("option", { value }, text)));
  const target = make("select", { "aria-label": "Target", onchange: () => choose(+target.value) },
    make("option", { value: -1 }, "no target"),
    ...names.map((/** @type {string} */ name, /** @type {number} */ k) =>
      make("option", { value: k }, `target: ${name}`)));
  const columns = createColumns(names, refresh);
  const notice = make("span", { class: "mmg-notice", role: "status" });
  const files = createExport(model, () => visible(), (text) => say(notice, text));
  const under = make("div", { class: "mmg-under" });
  const map = createMap({ point, open, choose }, signal);
  const what = make("strong");
  const remedy = make("span");
  const message = make("div", { class: "mmg-message", role: "alert" }, what, remedy);
  const legend = createLegend();
  const ranking = createBars(open, data.unit);
  const ranked = make("h4");
  const list = make("section", { class: "mmg-ranking", "aria-label": "Ranking" }, ranked, ranking.node);
  const pair = createPair(model, data);
  const back = make("button", { type: "button", class: "mmg-back", onclick: showRanking }, "← Ranking");
  const side = make("div", { class: "mmg-side" }, back, list, pair.node);
  const folded = make("div", { class: "mmg-folded" });
  const node = make("div", { class: "mmg mmg-explore", role: "region", "aria-label": "Map of a table" },
    make("div", { class: "mmg-row mmg-head" },
      make("div", { class: "mmg-title" }, headline, size),
      make("span", { class: "mmg-buttons" }, steer, close)),
    bar,
    make("div", { class: "mmg-row" }, doing, notice),
    status,
    message,
    make("div", { class: "mmg-tools" }, search, arrange, target, columns.node, files.node),
    make("div", { class: "mmg-split" },
      make("div", { class: "mmg-left" }, map.node, under, legend.node), side),
    folded,
  );
  let order = names.map((/** @type {string} */ _, /** @type {number} */ k) => k);
  let groups = /** @type {number[]} */ ([]);
  let touched = false; // then the order stays as it is
  let announced = "";
  let opened = /** @type {Pair | null} */ (null);
  let pointed = /** @type {Pair | null} */ (null);
  pair.node.hidden = true;
  back.hidden = true;

  function going() {
    return ["running", "paused"].includes(model.get("said").state);
  }

  function end() {
    say(close, "Closing…"); // the picture is drawn first
    model.send({ action: "close" });
  }

  /** @returns {number[]} */
  function visible() {
    return order.filter(columns.visible);
  }

  /** @param {number} k @param {number} other */
  const strength = (k, other) => (k === other ? 1 : correlation(data.best(k, other)[0] || 0));

  function reorder() {
    const of = arrange.value;
    const chosen = +target.value;
    const every = names.map((/** @type {string} */ _, /** @type {number} */ k) => k);
    const { order: near, group } = model.get("clusters");
    groups = [];
    order = every;
    if (of === "clusters" && near) [order, groups] = [near, group];
    if (of === "name") {
      order.sort((/** @type {number} */ a, /** @type {number} */ b) => names[a].localeCompare(names[b], "en", { numeric: true }));
    }
    if (of === "kind") {
      groups = every.map((/** @type {number} */ k) => Number(data.isCategory(k)));
      order.sort((/** @type {number} */ a, /** @type {number} */ b) => groups[a] - groups[b] || a - b);
    }
    if (of === "strength") {
      const sums = every.map((/** @type {number} */ k) => (chosen >= 0 ? strength(k, chosen)
        : every.reduce((/** @type {number} */ sum, /** @type {number} */ m) => sum + strength(k, m) ** 2, 0)));
      order.sort((/** @type {number} */ a, /** @type {number} */ b) => sums[b] - sums[a]);
    }
    refresh();
  }

  /** Make a column the target; again: no target.
   * @param {number} k
   */
  function choose(k) {
    touched = true;
    target.value = String(k);
    if (arrange.value === "strength") reorder();
    showRanking();
    refresh();
  }

  /** @param {Pair} next */
  function open(next) {
    touched = true;
    const again = opened && String(opened) === String(next);
    opened = next;
    pair.open(next);
    map.mark(next);
    [pair.node.hidden, list.hidden, back.hidden] = [false, true, false];
    pair.update();
    if (again && document.activeElement === map.canvas) pair.focus();
  }

  function showRanking() {
    const inside = side.contains(document.activeElement);
    opened = null;
    [pair.node.hidden, list.hidden, back.hidden] = [true, false, true];
    if (inside) map.canvas.focus();
  }

  /** Say what is under the mouse or the cursor. An open pair follows the cursor.
   * @param {Pair | null} next
   */
  function point(next) {
    pointed = next;
    if (!next) {
      say(under, "Click a cell to see the two columns, or a name to rank by it.");
      return;
    }
    const [mi, stderr] = data.best(...next);
    const text = `${names[next[0]]} – ${names[next[1]]}: `;
    say(under, text + (Number.isNaN(mi) ? "not known yet" : amount(mi, stderr, data.unit())));
    if (document.activeElement === map.canvas) say(status, under.textContent ?? "");
  }

  function rank() {
    const k = +target.value;
    const shown = visible();
    say(ranked, k >= 0 ? `What tells most about ${names[k]}?` : "The strongest pairs");
    const pairs = /** @type {Pair[]} */ (k >= 0
      ? shown.filter((other) => other !== k).map((other) => [k, other])
      : shown.flatMap((a, n) => shown.slice(n + 1).map((b) => [a, b])));
    /** @param {Pair} each */
    const value = (each) => { const [mi] = data.best(...each); return Number.isNaN(mi) ? -9 : mi; };
    const sorted = pairs.map((each) => ({ each, mi: value(each) })).sort((a, b) => b.mi - a.mi);
    const some = k >= 0 ? sorted : sorted.filter(({ mi }) => mi > -9).slice(0, STRONGEST);
    ranking.update(some.map(({ each }) => {
      const [mi, stderr] = data.best(...each);
      const name = k >= 0 ? names[each[1]] : `${names[each[0]]} – ${names[each[1]]}`;
      return { name, mi, stderr, pair: each };
    }));
  }

  function refresh() {
    const shown = visible();
    const text = search.value.trim().toLowerCase();
    const rows = text ? shown.filter((k) => names[k].toLowerCase().includes(text)) : shown;
    columns.arrange(order, groups);
    map.update({ rows, across: shown, names, groups, estimate: data.best, disagree: data.disagree,
      refined: data.refined, target: +target.value, unit: data.unit() });
    legend.update(data.unit());
    if (!list.hidden) rank();
    if (text && !rows.length) say(notice, `No column matches ${search.value.trim()}.`);
    else if (notice.textContent?.startsWith("No column")) say(notice, "");
  }

  function fold() {
    const left = table.left_out.map((/** @type {{name: string, why: string}} */ each) => each.why);
    const remarks = /** @type {{text: string, count: number, pairs: string}[]} */ (model.get("remarks"));
    const notes = remarks.map(({ text, count, pairs }) =>
      [text, `${count === 1 ? "1 pair" : `${count} pairs`}: ${pairs}`]);
    const key = JSON.stringify([left, notes]);
    if (folded.dataset.key === key) return;
    folded.dataset.key = key;
    const wasOpen = new Set([...folded.querySelectorAll("details[open]")].map((each) => each.id));
    const parts = [];
    if (left.length) {
      const title = `${left.length === 1 ? "1 column is" : `${left.length} columns are`} left out`;
      parts.push(make("details", { id: "left" }, make("summary", {}, title),
        make("ul", {}, ...left.map((/** @type {string} */ why) => make("li", {}, why)))));
    }
    if (notes.length) {
      const title = notes.length === 1 ? "1 note on the data" : `${notes.length} notes on the data`;
      parts.push(make("details", { id: "notes" }, make("summary", {}, title),
        make("ul", {}, ...notes.map(([said, where]) =>
          make("li", {}, said, " ", make("span", { class: "mmg-soft" }, where))))));
    }
    for (const part of parts) part.open = wasOpen.has(part.id);
    folded.replaceChildren(...parts);
  }

  function update() {
    const said = model.get("said");
    const wrong = model.get("message");
    data.read();
    say(doing, said.doing ?? "");
    say(steer, going() ? "Stop" : "Continue");
    steer.hidden = said.state === "finished";
    fill.style.width = `${said.percent ?? 0}%`;
    bar.setAttribute("aria-valuenow", said.percent ?? 0);
    bar.setAttribute("aria-valuetext", said.doing ?? "");
    bar.classList.toggle("mmg-done", said.state === "finished");
    say(what, wrong.what ?? "");
    say(remedy, wrong.remedy ?? "");
    message.hidden = !wrong.what;
    const key = `${said.state} ${String(said.doing).split(":")[0]}`;
    if (key !== announced) {
      announced = key;
      say(status, said.doing ?? "");
    }
    refresh();
    point(pointed);
    if (opened) pair.update();
    fold();
  }

  watch(model, WATCHED, update);
  model.on("change:clusters", () => touched || reorder());
  model.on("msg:custom", files.receive);
  const first = names.indexOf(model.get("target"));
  if (first >= 0) target.value = String(first);
  data.read();
  reorder();
  update();
  point(null);
  return { node, stays: () => false };
}

/** Rows and columns in words.
 * @param {any} table
 */
function sizes({ columns, rows, rows_used: used, gaps }) {
  const count = (/** @type {number} */ n) => n.toLocaleString("en").replaceAll(",", "\u202f");
  const some = used < rows ? `${count(used)} of ${count(rows)} rows, drawn at random` : `${count(rows)} rows`;
  const missing = gaps ? `; ${gaps} columns have gaps, each pair leaves out its own` : "";
  return `${columns.length} columns, ${some}${missing}`;
}

export default inSlot(createExplorer, WATCHED);
