// The live view of a run: progress, steering and three charts. Needs charts.js.

const READ_OUT_EVERY = 10; // per cent: screen readers are told of progress now and then

/** Little-endian 32-bit floats of the kernel, as `rows` rows of equal length. */
function floats(view, rows) {
  const length = view.byteLength / 4 / rows;
  return Array.from({ length: rows }, (_, row) =>
    Float32Array.from({ length }, (_, i) => view.getFloat32(4 * (row * length + i), true)),
  );
}

/**
 * Single keys typed in a view are no commands of the notebook, but Ctrl+S still saves it.
 *
 * JupyterLab looks at the mark on the very element that has the focus, before anything else.
 */
function keepKeys(node, signal) {
  const mark = ({ target, ctrlKey, metaKey }) => {
    if (node.contains(target)) {
      target.toggleAttribute("data-lm-suppress-shortcuts", !(ctrlKey || metaKey));
    }
  };
  window.addEventListener("keydown", mark, { capture: true, signal });
}

/**
 * The view of whatever run the model tells of.
 *
 * @param model Gives `said`, `curves`, `track`, `steerable`; gets {action: pause|resume|stop}.
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
  const node = make(
    "section",
    { class: "mmg-live", "aria-label": "Running estimate" },
    make("div", { class: "mmg-row" }, make("div", { class: "mmg-title" }, headline, subject), buttons),
    bar,
    make("div", { class: "mmg-row" }, doing, hint),
    status,
    charts.node,
  );
  let frames = 0;
  let told = "";

  const held = () => model.get("said").state === "paused";

  function steer(action) {
    model.send({ action });
  }

  function tell({ state, phase, percent, estimate }) {
    const key = `${state} ${phase} ${Math.floor(percent / READ_OUT_EVERY)}`;
    if (key === told) return;
    told = key;
    say(status, [state === "running" ? phase : state, `${percent} %`, estimate].join(", "));
  }

  function update() {
    const said = model.get("said");
    if (!said.state) return;
    const going = ["running", "paused"].includes(said.state);
    say(headline, said.estimate || said.what);
    say(subject, said.estimate ? `${said.what} · ${said.subject}` : said.subject);
    say(doing, said.doing);
    say(hint, said.hint);
    say(hold, held() ? "Resume" : "Pause");
    buttons.hidden = !model.get("steerable");
    // Not `disabled`, by which a button would lose the focus.
    for (const button of [hold, stop]) button.setAttribute("aria-disabled", !going);
    fill.style.width = `${said.percent}%`;
    bar.setAttribute("aria-valuenow", said.percent);
    bar.setAttribute("aria-valuetext", said.doing);
    node.dataset.state = said.state;
    charts.update(floats(model.get("curves"), 5), floats(model.get("track"), 2), said);
    tell(said);
    frames += 1;
    node.dataset.frames = frames;
  }

  return { node, update };
}

function createCharts() {
  const errors = createChart({
    title: "Denoising error",
    across: "log-SNR",
    legend: [["mmg-a", "alone"], ["mmg-b", "the other given"], ["mmg-gap", "gap = 2·MI"]],
  });
  const integrand = createChart({
    title: "Nats per log-SNR",
    across: "log-SNR",
    legend: [["mmg-c", "integrand"], ["mmg-density", "density of samples"]],
  });
  const record = createChart({
    title: "Validation estimate",
    across: "training steps",
    legend: [["mmg-a", "nats, not the result"]],
  });
  const node = make("div", { class: "mmg-charts" }, errors.node, integrand.node, record.node);

  function update([logsnr, alone, , gap, density], [steps, estimates], said) {
    node.hidden = logsnr.length === 0;
    if (node.hidden) return;
    const ends = [logsnr[0], logsnr[logsnr.length - 1]];
    const known = alone.map((value, i) => value - gap[i]);
    errors.update({
      x: ends,
      y: span([...alone, ...known], 0.1),
      shapes: [
        { kind: "mmg-gap", x: logsnr, y: alone, below: known },
        { kind: "mmg-a", x: logsnr, y: alone },
        { kind: "mmg-b", x: logsnr, y: known },
      ],
      summary: `Two curves against log-SNR, alone and with the other variable given; ${said.estimate}.`,
    });

    const half = gap.map((value) => value / 2);
    const range = span(half, 0.005);
    const scale = (0.5 * range[1]) / Math.max(...density, 1e-12);
    const zero = half.map(() => 0);
    const peak = logsnr[half.indexOf(Math.max(...half))];
    integrand.update({
      x: ends,
      y: range,
      shapes: [
        { kind: "mmg-density", x: logsnr, y: density.map((v) => v * scale), below: zero },
        { kind: "mmg-c", x: logsnr, y: half },
      ],
      summary: `The integrand is largest near log-SNR ${peak.toFixed(1)}.`,
    });

    record.update({
      x: [0, Math.max(1, steps[steps.length - 1])],
      y: span(estimates, 0.05),
      shapes: [
        { kind: "mmg-a", x: steps, y: estimates },
        { kind: "mmg-dots", x: steps, y: estimates, dots: true },
      ],
      summary: `${estimates.length} validations; ${said.estimate}.`,
    });
  }

  return { node, update };
}
