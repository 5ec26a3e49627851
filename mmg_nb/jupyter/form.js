// The form of the panel: variables, estimator and settings. Needs live.js.

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

  function choose({ expression: text = "", name: table = "", columns: chosen = [] }) {
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
  let kept = "";
  for (const event of ["input", "change", "click"]) node.addEventListener(event, keep);

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

  function read() {
    return {
      roles: Object.fromEntries(parts.map(([name, part]) => [name, part.read()])),
      estimator: select.value,
      beside: beside.read(),
      settings: Object.fromEntries(general.map((field) => [field.name, field.read()])),
      fields: Object.fromEntries(fields().map((field) => [field.name, field.read()])),
    };
  }

  function send(event) {
    event.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") return;
    start(read());
  }

  /** Tell the kernel what is chosen: it outlives the page. */
  function keep() {
    const chosen = read();
    const text = JSON.stringify(chosen);
    if (text === kept) return;
    kept = text;
    model.send({ action: "choose", form: { ...chosen, page: prefix } });
  }

  function offer() {
    for (const [, part] of parts) part.offer(model.get("variables"));
  }

  function choose() {
    const chosen = model.get("chosen");
    if (chosen.page === prefix) return; // an echo, which may be older than the form
    if (chosen.estimator) select.value = chosen.estimator;
    beside.choose(chosen.beside ?? []);
    arrange();
    for (const [name, part] of parts) {
      const given = (chosen.roles ?? {})[name];
      if (given) part.choose(given);
    }
    for (const field of fields()) field.set((chosen.fields ?? {})[field.name] ?? field.read());
    for (const field of general) field.set((chosen.settings ?? {})[field.name] ?? field.read());
    kept = JSON.stringify(read());
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
