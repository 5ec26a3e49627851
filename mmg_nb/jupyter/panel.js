// The panel: a form, the live view or a result, and the history of runs. Needs live.js, slot.js, form.js.

const WATCHED = ["said", "first", "curves", "track", "steerable", "shown", "view", "message", "rows"];
const HEADS = ["run", "estimate ± error", "state", "quantity", "estimator", "settings", "time"];

/** The runs of the panel. `ask` sends a message whose answer is shown; `notify` shows a text. */
function createHistory(model, ask, notify) {
  const body = make("tbody");
  const compare = make("button", { type: "button", onclick: together }, "Compare selected");
  const heads = ["compare", ...HEADS, "actions"].map((text) =>
    make("th", { scope: "col" }, text),
  );
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads)), body);
  const hint = make("small");
  const node = make(
    "section",
    { class: "mmg-history", "aria-label": "Runs of this panel" },
    make("div", { class: "mmg-row" }, make("strong", {}, "Runs"), hint, compare),
    make("div", { class: "mmg-scroll" }, table),
  );
  const lines = new Map();

  function ticked() {
    return checkedIn(body);
  }

  function together() {
    ask({ action: "compare", numbers: ticked() });
  }

  function createLine({ number }) {
    const tick = make("input", { type: "checkbox", value: number, "aria-label": `Compare run ${number}`,
      onchange: arrange });
    const cells = HEADS.map(() => make("td"));
    const show = make("button", { type: "button", "aria-label": `Show run ${number}`,
      onclick: () => ask({ action: "show", number }) }, "Show");
    const copy = make("button", { type: "button", "aria-label": `Copy run ${number} as %mmg line`,
      onclick: () => copied(line.text) }, "Copy as %mmg line");
    const actions = make("td", {}, make("div", { class: "mmg-buttons" }, show, copy));
    const line = { node: make("tr", {}, make("td", {}, tick), ...cells, actions), cells, tick, show };
    body.prepend(line.node);
    lines.set(number, line);
    return line;
  }

  async function copied(text) {
    try {
      await navigator.clipboard.writeText(text);
      notify(`Copied: ${text}`);
    } catch {
      notify(`The browser does not allow copying. The line is: ${text}`);
    }
  }

  function arrange() {
    compare.disabled = ticked().length < 2;
  }

  function update() {
    const rows = model.get("rows");
    node.hidden = rows.length === 0;
    for (const row of rows) {
      const line = lines.get(row.number) ?? createLine(row);
      line.text = row.line;
      line.cells.forEach((cell, k) => say(cell, row.cells[k]));
      line.tick.disabled = !row.comparable;
      line.show.disabled = !row.done;
    }
    const last = rows.filter(({ done }) => done).at(-1)?.number;
    say(hint, last ? `In a cell, %mmg show ${last} -o res stores the result of run ${last} as res.` : "");
    arrange();
  }

  return { node, update };
}

/** The whole panel. */
function createPanel(model) {
  const live = createLive(model);
  const form = createForm(model, (values) => model.send({ action: "start", form: values }));
  const notice = make("p", { class: "mmg-notice", role: "status" });
  const history = createHistory(model, ask, (text) => say(notice, text));
  const what = make("strong");
  const remedy = make("span");
  const message = make("div", { class: "mmg-message", role: "alert" }, what, remedy);
  const empty = make("p", { class: "mmg-empty" },
    "Choose two variables and press Start. Other cells can run meanwhile.");
  const result = scrollable(make("section", { class: "mmg-result", "aria-label": "Result" }));
  const close = make("button", { type: "button", title: "Remove the panel from the page; results stay",
    onclick: () => model.send({ action: "close" }) }, "Close");
  const node = make(
    "div",
    { class: "mmg", role: "region", "aria-label": "Mutual information panel" },
    make("div", { class: "mmg-row mmg-head" }, make("strong", {}, "How much does x tell about y?"), close),
    make("div", { class: "mmg-body" }, form.node,
      make("div", { class: "mmg-main" }, message, empty, live.node, result)),
    history.node,
    notice,
  );
  let shown = "";
  let blamed = /** @type {any} */ (null);
  let asked = false;

  function ask(message) {
    asked = true;
    model.send(message);
  }

  function update() {
    const view = model.get("view");
    const said = model.get("message");
    if (said !== blamed) {
      blamed = said;
      const placed = form.blame(said);
      say(what, said.what ?? "");
      say(remedy, said.remedy ?? "");
      message.hidden = !said.what || placed;
    }
    empty.hidden = view !== "empty";
    if (view !== "live" && live.node.contains(document.activeElement)) form.button.focus();
    const begins = view === "live" && live.node.hidden && node.isConnected;
    live.node.hidden = view !== "live";
    result.hidden = !model.get("shown") || (view === "live" && !model.get("rows").length);
    if (model.get("shown") !== shown) {
      shown = model.get("shown");
      result.innerHTML = shown;
      if (asked) result.scrollIntoView({ block: "nearest" });
      asked = false;
    }
    // `disabled` would remove the focus; the kernel refuses a second run anyway.
    form.button.setAttribute("aria-disabled", String(view === "live"));
    live.update();
    history.update();
    if (begins) live.node.scrollIntoView({ block: "nearest" });
  }

  // marimo does not say that other cells have run, so the form asks when somebody turns to it.
  const look = () => model.get("slot") || model.send({ action: "look" });
  for (const turn of ["pointerenter", "focusin"]) node.addEventListener(turn, look);
  watch(model, WATCHED, update);
  model.on("change:variables", form.offer);
  model.on("change:chosen", form.choose);
  update();
  return { node, stays: () => false };
}

export default inSlot(createPanel, WATCHED);
