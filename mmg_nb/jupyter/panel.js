// The panel: a form, the live view or a result, and the history of runs. Needs live.js, slot.js.

const WATCHED = ["said", "first", "curves", "track", "steerable", "shown", "view", "message", "rows"];
const EXPRESSION = "\u0000expression";
const EARLY = ["missing", "discrete"]; // settings on the data, before those of experts
const FEW = 8; // columns that need no search

/** A prefix for element ids that is unique in the page. */
function unique() {
  return `mmg-${Math.random().toString(36).slice(2, 10)}`;
}

/** Values of the ticked checkboxes, as numbers. @param {Element} node */
function checkedIn(node) {
  const found = /** @type {NodeListOf<HTMLInputElement>} */ (node.querySelectorAll("input:checked"));
  return [...found].map(({ value }) => +value);
}

function option(value, text, chosen) {
  return make("option", { value, selected: chosen }, text);
}

/** What is wrong with a control, and what to do; empty texts if nothing is.
 * @param {string} id
 */
function createProblem(id) {
  const what = make("strong");
  const remedy = make("span");
  const node = make("p", { id: `${id}-problem`, class: "mmg-problem", role: "alert" }, what, remedy);
  node.hidden = true;

  /** @param {HTMLElement} control @param {string} first @param {string} then */
  function say_(control, first, then) {
    say(what, first);
    say(remedy, then);
    node.hidden = !first;
    first ? control.setAttribute("aria-invalid", "true") : control.removeAttribute("aria-invalid");
    if (!first) return;
    control.focus();
    node.scrollIntoView({ block: "nearest" });
    control.addEventListener("input", () => say_(control, "", ""), { once: true });
  }

  return { node, say: say_ };
}

/** The columns of a table, with their kinds: all of them, none, or those that are ticked.
 * @param {string} label
 */
function createTicks(label) {
  const list = make("div", { class: "mmg-ticks" });
  const count = make("span", { class: "mmg-soft" });
  const search = make("input", { type: "text", "aria-label": `Search columns for ${label}`,
    placeholder: "Search columns", spellcheck: "false", oninput: filter });
  /** @param {boolean} on */
  const every = (on) => () => {
    for (const each of shown()) each.querySelector("input").checked = on;
    tell();
  };
  const tools = make("div", { class: "mmg-tools" }, search,
    make("button", { type: "button", onclick: every(true) }, "All"),
    make("button", { type: "button", onclick: every(false) }, "None"), count);
  const node = make("fieldset", { class: "mmg-columns", onchange: tell },
    make("legend", {}, `Columns for ${label}`), tools, list);
  let listed = "";

  function shown() {
    return /** @type {any[]} */ ([...list.children]).filter((each) => !each.hidden);
  }

  function filter() {
    const text = search.value.trim().toLowerCase();
    for (const each of /** @type {HTMLElement[]} */ ([...list.children])) {
      each.hidden = !(each.title.toLowerCase().includes(text));
    }
  }

  function tell() {
    say(count, `${checkedIn(list).length} of ${list.children.length}`);
  }

  /** @param {string} table @param {string[]} names @param {string[]} kinds */
  function offer(table, names, kinds) {
    node.hidden = names.length === 0;
    const key = JSON.stringify([table, names, kinds]);
    if (key === listed) return;
    listed = key;
    search.value = "";
    search.hidden = names.length <= FEW;
    list.replaceChildren(...names.map((name, k) =>
      make("label", { title: name },
        make("input", { type: "checkbox", value: k, "aria-label": name }),
        make("span", {}, name), make("small", {}, kinds[k] ?? ""))));
    tell();
  }

  /** @param {number[]} columns */
  function tick(columns) {
    for (const each of list.querySelectorAll("input")) each.checked = columns.includes(+each.value);
    tell();
  }

  return { node, offer, tick, ticked: () => checkedIn(list) };
}

/** Control for one role of the estimate: a variable, columns of a table, or an expression. */
function createRole(role, prefix) {
  const id = `${prefix}-${role.name}`;
  const problem = createProblem(id);
  const select = make("select", { id, onchange: arrange,
    "aria-describedby": `${id}-problem` });
  const written = make("input", { type: "text", "aria-label": `Expression for ${role.label}`,
    placeholder: "e.g. x[:, :2]", spellcheck: "false" });
  const columns = createTicks(role.label);
  const label = make("label", { for: id }, role.optional ? `${role.label} (optional)` : role.label);
  const node = make("div", { class: "mmg-role" }, label, select, written, columns.node, problem.node);
  let offered = [];

  function arrange() {
    written.hidden = select.value !== EXPRESSION;
    const table = offered.find(({ name }) => name === select.value);
    columns.offer(select.value, table?.columns ?? [], table?.kinds ?? []);
  }

  function offer(variables) {
    offered = variables;
    const before = select.value;
    const nothing = role.optional ? "none" : "choose…";
    select.replaceChildren(
      option("", nothing),
      ...variables.map(({ name, shape }) => option(name, `${name}   ${shape}`)),
      option(EXPRESSION, "expression…"),
    );
    const there = before === EXPRESSION || variables.some(({ name }) => name === before);
    select.value = there ? before : "";
    arrange();
  }

  function choose({ expression: text, name: table, columns: chosen }) {
    const plain = offered.find(({ name, columns }) => name === text && columns.length === 0);
    const listed = offered.some(({ name }) => name === table);
    select.value = plain ? text : listed ? table : text ? EXPRESSION : "";
    written.value = plain || listed ? "" : text;
    arrange();
    if (listed) columns.tick(chosen);
  }

  function read() {
    if (select.value === EXPRESSION) return { expression: written.value };
    return { name: select.value, columns: columns.ticked() };
  }

  /** @param {string} what @param {string} remedy */
  function blame(what, remedy) {
    problem.say(written.hidden ? select : written, what, remedy);
  }

  return { name: role.name, node, offer, choose, read, blame };
}

/** One setting: its label, its control and its help. */
function createField(info, prefix) {
  const id = `${prefix}-${info.name}`;
  const problem = createProblem(id);
  const common = { id, "aria-describedby": `${id}-help ${id}-problem`, onchange: mark, oninput: mark };
  const control = info.choices.length
    ? make("select", common, ...info.choices.map((value) => option(value, value || info.empty)))
    : make("input", { ...common, type: "text", placeholder: info.empty, spellcheck: "false",
        inputmode: info.number ? "decimal" : "text" });
  const label = make("label", { for: id }, info.name.replaceAll("_", " "));
  // No line ends within a number.
  const text = info.help.replace(/(\d) (?=\d{3}\b)/g, "$1\u202f");
  const help = make("small", { id: `${id}-help` }, text);
  const node = make("div", { class: "mmg-field" }, label, control, problem.node, help);
  set(info.default);

  function mark() {
    node.classList.toggle("mmg-changed", control.value !== info.default);
  }

  function set(value) {
    control.value = value;
    mark();
  }

  /** @param {string} what @param {string} remedy */
  function blame(what, remedy) {
    const fold = node.closest("details");
    if (what && fold) fold.open = true;
    problem.say(control, what, remedy);
  }

  return { name: info.name, node, set, reset: () => set(info.default), read: () => control.value, blame };
}

/** Estimators to compare with the chosen one. */
function createBeside(names) {
  const ticks = new Map(names.map((name) => [name, make("input", { type: "checkbox", value: name })]));
  const labels = new Map(names.map((name) => [name, make("label", {}, ticks.get(name), name)]));
  const chosen = make("span");
  const list = make("div", { class: "mmg-columns", role: "group", "aria-label": "Compare with",
    onchange: showChosen }, ...labels.values());
  const node = make("details", {}, make("summary", {}, "Compare with", chosen), list);

  function read() {
    return names.filter((name) => ticks.get(name).checked && !labels.get(name).hidden);
  }

  function showChosen() {
    const others = read();
    say(chosen, others.length ? `: ${others.join(", ")}` : " other estimators…");
  }

  function arrange(leading) {
    for (const [name, label] of labels) label.hidden = name === leading;
    showChosen();
  }

  function choose(others) {
    for (const [name, tick] of ticks) tick.checked = others.includes(name);
    if (others.length) node.open = true;
    showChosen();
  }

  return { node, read, arrange, choose };
}

/** The form; Start sends all its values. */
function createForm(model, start) {
  const prefix = unique();
  const { roles, settings, estimators } = model.get("form");
  const parts = roles.map((role) => [role.name, createRole(role, prefix)]);
  const general = settings.map((info) => createField(info, prefix));
  const select = make(
    "select",
    { id: `${prefix}-estimator`, onchange: arrange, "aria-describedby": `${prefix}-summary` },
    ...estimators.map(({ name }) => option(name, name)),
  );
  const summary = make("small", { id: `${prefix}-summary` });
  const beside = createBeside(estimators.map(({ name }) => name));
  const first = make("div", { class: "mmg-first" });
  const more = make("div", { class: "mmg-fields" });
  const reset = make("button", { type: "button", onclick: restore }, "Reset settings");
  const details = make("details", {}, make("summary", {}, "More settings"), more, reset);
  const button = make("button", { type: "submit", class: "mmg-start" }, "Start");
  const node = make(
    "form",
    { class: "mmg-form", "aria-label": "What to estimate", onsubmit: send },
    ...parts.map(([, part]) => part.node),
    make("div", { class: "mmg-role" },
      make("label", { for: `${prefix}-estimator` }, "estimator"), select, summary),
    first,
    button,
    beside.node,
    details,
  );
  const made = new Map();

  function fields() {
    const name = select.value;
    if (!made.has(name)) {
      const infos = estimators.find((each) => each.name === name).fields;
      made.set(name, infos.map((info) => createField(info, `${prefix}-${name}`)));
    }
    return made.get(name);
  }

  function arrange() {
    say(summary, estimators.find(({ name }) => name === select.value).summary);
    const [leading, ...others] = fields();
    const early = general.filter(({ name }) => EARLY.includes(name));
    const late = general.filter(({ name }) => !EARLY.includes(name));
    first.replaceChildren(...[...(leading ? [leading] : []), ...early].map((field) => field.node));
    more.replaceChildren(...[...others, ...late].map((field) => field.node));
    beside.arrange(select.value);
  }

  function restore() {
    for (const field of [...fields(), ...general]) field.reset();
  }

  function send(event) {
    event.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") return;
    start({
      roles: Object.fromEntries(parts.map(([name, part]) => [name, part.read()])),
      estimator: select.value,
      beside: beside.read(),
      settings: Object.fromEntries(general.map((field) => [field.name, field.read()])),
      fields: Object.fromEntries(fields().map((field) => [field.name, field.read()])),
    });
  }

  function offer() {
    for (const [, part] of parts) part.offer(model.get("variables"));
  }

  function choose() {
    const chosen = model.get("chosen");
    if (chosen.estimator) select.value = chosen.estimator;
    beside.choose(chosen.beside ?? []);
    arrange();
    for (const [name, part] of parts) {
      const given = (chosen.roles ?? {})[name];
      if (given) part.choose(given);
    }
    for (const field of fields()) field.set((chosen.fields ?? {})[field.name] ?? field.read());
    for (const field of general) field.set((chosen.settings ?? {})[field.name] ?? field.read());
  }

  /** Show an error at the control that caused it. Whether there is one.
   * @param {{what?: string, remedy?: string, control?: string}} error
   */
  function blame({ what = "", remedy = "", control = "" }) {
    const all = [...parts.map(([, part]) => part), ...fields(), ...general];
    const cause = what ? all.find(({ name }) => name === control) : undefined;
    for (const each of all) each.blame(each === cause ? what : "", each === cause ? remedy : "");
    return Boolean(cause);
  }

  offer();
  choose();
  return { node, button, offer, choose, blame };
}

const HEADS = ["run", "quantity", "estimator", "estimate ± error", "time", "settings", "state"];

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
