// The live view of a run: progress, buttons and three charts. Needs charts.js.

const ANNOUNCE_EVERY = 10; // per cent of progress, between two announcements to screen readers

/**
 * Read little-endian 32-bit floats as `rows` rows of equal length.
 *
 * @param {DataView} view
 * @param {number} rows
 */
function floats(view, rows) {
  const length = view.byteLength / 4 / rows;
  return Array.from({ length: rows }, (_, row) =>
    Float32Array.from({ length }, (_, i) => view.getFloat32(4 * (row * length + i), true)),
  );
}

/**
 * Keep single keys typed in a view from running notebook commands. Ctrl+S still saves.
 *
 * JupyterLab first checks this attribute of the element that has the focus.
 *
 * @param {Node} node
 * @param {AbortSignal} signal
 */
function keepKeys(node, signal) {
  /** @param {KeyboardEvent} event */
  const mark = ({ target, ctrlKey, metaKey }) => {
    if (target instanceof Element && node.contains(target)) {
      target.toggleAttribute("data-lm-suppress-shortcuts", !(ctrlKey || metaKey));
    }
  };
  window.addEventListener("keydown", mark, { capture: true, signal });
}

/**
 * A part that is wider than its frame at times. Then the keyboard reaches it, and arrows scroll it.
 *
 * @param {HTMLElement} node Has a name for screen readers.
 */
function scrollable(node) {
  const look = () => {
    if (node.scrollWidth > node.clientWidth) node.tabIndex = 0;
    else if (node !== document.activeElement) node.removeAttribute("tabindex"); // keeps the focus
  };
  new ResizeObserver(look).observe(node);
  new MutationObserver(look).observe(node, { childList: true });
  return node;
}

/**
 * The view of the run whose state the model holds.
 *
 * @param {Model} model Holds `said`, `first`, `curves`, `track`, `standing`, `steerable`; receives
 *   {action: pause|resume|stop}.
 */
function createLive(model) {
  const headline = make("strong", { class: "mmg-headline" });
  const subject = make("span", { class: "mmg-subject" });
  const fill = make("div", { class: "mmg-fill" });
  const bar = make(
    "div",
    { class: "mmg-bar", role: "progressbar", "aria-label": "Training", "aria-valuemin": 0,
      "aria-valuemax": 100 },
    fill,
  );
  const doing = make("span", { class: "mmg-doing" });
  const hint = make("span", { class: "mmg-hint" });
  const status = make("span", { class: "mmg-unseen", role: "status" });
  const hold = make("button", { type: "button", onclick: () => steer(held() ? "resume" : "pause") });
  const stop = make("button", { type: "button", onclick: () => steer("stop") }, "Stop");
  const buttons = make("span", { class: "mmg-buttons" }, hold, stop);
  const charts = createCharts();
  const table = scrollable(
    make("div", { class: "mmg-table", role: "region", "aria-label": "Estimates so far" }),
  );
  const node = make(
    "section",
    { class: "mmg-live", "aria-label": "Running estimate" },
    make("div", { class: "mmg-row" }, make("div", { class: "mmg-title" }, headline, subject), buttons),
    bar,
    make("div", { class: "mmg-row" }, doing, hint),
    status,
    table,
    charts.node,
  );
  let frames = 0;
  let announced = "";
  let tabled = ""; // HTML of the table
  let stopping = false; // asked for, and the kernel has not answered yet

  const held = () => model.get("said").state === "paused";

  function steer(action) {
    model.send({ action });
    stopping = action === "stop";
    update();
  }

  function announce({ state, phase, percent, estimate }) {
    const key = `${state} ${phase} ${Math.floor(percent / ANNOUNCE_EVERY)}`;
    if (key === announced) return;
    announced = key;
    say(status, [state === "running" ? phase : state, `${percent} %`, estimate].join(", "));
  }

  function update() {
    const said = model.get("said");
    if (!said.state) return;
    const going = ["running", "paused"].includes(said.state);
    stopping &&= going;
    say(headline, said.estimate || said.what);
    const named = said.subject.startsWith(said.what);  // until the run has started
    say(subject, said.estimate && !named ? `${said.what} · ${said.subject}` : said.subject);
    say(doing, [said.doing, going ? said.spent : ""].filter(Boolean).join(" · "));
    say(hint, said.hint);
    say(hold, held() ? "Resume" : "Pause");
    say(stop, stopping || said.state === "stopping" ? "Stopping…" : "Stop");
    buttons.hidden = !model.get("steerable");
    // `disabled` would remove the focus from the button.
    for (const button of [hold, stop]) button.setAttribute("aria-disabled", String(!going || stopping));
    fill.style.width = `${said.percent}%`;
    bar.setAttribute("aria-valuenow", said.percent);
    bar.setAttribute("aria-valuetext", said.doing);
    node.dataset.state = said.state;
    if (tabled !== model.get("standing")) table.innerHTML = tabled = model.get("standing");
    table.hidden = !tabled;
    charts.update(floats(model.get("first"), 5), floats(model.get("curves"), 5),
      floats(model.get("track"), 2), said);
    announce(said);
    frames += 1;
    node.dataset.frames = String(frames);
  }

  return { node, update };
}

const AS_IF = ["mmg-normal", "as if normal"];

function createCharts() {
  const errors = createChart({
    title: "Denoising error",
    across: "log-SNR",
    legend: [["mmg-a", "without the other"], ["mmg-b", "with it"], ["mmg-gap", "area = 2·MI, in nats"]],
  });
  const integrand = createChart({
    title: "Integrand",
    across: "log-SNR",
    legend: [["mmg-c", "integrand"], AS_IF, ["mmg-density", "sampling density"]],
  });
  const record = createChart({
    title: "Validation estimate",
    across: "training steps",
    legend: [["mmg-a", "preliminary"], AS_IF],
  });
  const node = make("div", { class: "mmg-charts" }, errors.node, integrand.node, record.node);

  /**
   * Draw the closed form until the first validation, and beside what is trained after it.
   *
   * @param {Float32Array[]} first As if the data were normal; empty if unknown, like the others.
   * @param {Float32Array[]} curves
   * @param {Float32Array[]} track
   * @param {any} said
   */
  function update(first, curves, [steps, estimates], said) {
    const asIf = curves[0].length === 0;
    const [logsnr, unconditional, , gap, density] = asIf ? first : curves;
    node.hidden = logsnr.length === 0;
    if (node.hidden) return;
    const ends = /** @type {[number, number]} */ ([logsnr[0], logsnr[logsnr.length - 1]]);
    const conditional = unconditional.map((value, i) => value - gap[i]);
    errors.update({
      x: ends,
      y: span([...unconditional, ...conditional], 0.1),
      shapes: [
        { kind: "mmg-gap", x: logsnr, y: unconditional, below: conditional },
        { kind: "mmg-a", x: logsnr, y: unconditional },
        { kind: "mmg-b", x: logsnr, y: conditional },
      ],
      summary: `Error without and with the other variable against log-SNR; ${said.estimate}.`,
      asIf,
    });

    const { unit } = said;
    const half = gap.map((value) => inUnit(value / 2, unit));
    const normal = first[3].map((value) => inUnit(value / 2, unit));
    const range = span([...half, ...normal], 0.005);
    const scale = (0.5 * range[1]) / Math.max(...density, 1e-12);
    const zero = half.map(() => 0);
    const peak = logsnr[half.indexOf(Math.max(...half))];
    integrand.update({
      title: `Integrand, ${unit} per unit log-SNR`,
      x: ends,
      y: range,
      shapes: [
        ...(asIf ? [] : [{ kind: "mmg-density", x: logsnr, y: density.map((v) => v * scale), below: zero }]),
        ...(normal.length ? [{ kind: "mmg-normal", x: first[0], y: normal }] : []),
        ...(asIf ? [] : [{ kind: "mmg-c", x: logsnr, y: half }]),
      ],
      summary: `The integrand is largest near log-SNR ${peak.toFixed(1)}.`,
    });

    const last = Math.max(10, ...steps);
    const values = estimates.map((value) => inUnit(value, unit));
    const level = (first[0][1] - first[0][0]) * normal.reduce((sum, value) => sum + value, 0);
    const levels = normal.length ? [level, level] : [];
    record.update({
      title: `Validation estimate, ${unit}`,
      x: [0, last],
      y: span([...values, ...levels], 0.05),
      shapes: [
        ...(normal.length ? [{ kind: "mmg-normal", x: [0, last], y: levels }] : []),
        ...(asIf ? [] : [{ kind: "mmg-a", x: steps, y: values }]),
        { kind: "mmg-dots", x: steps, y: values, dots: true },
      ],
      summary: `${estimates.length} validations; ${said.estimate}.`,
    });
  }

  return { node, update };
}
