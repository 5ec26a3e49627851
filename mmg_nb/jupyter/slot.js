// Widgets in place of HTML that an output holds, so that a saved notebook holds no widget.

/** @typedef {import("@anywidget/types").AnyModel<any>} Model */

/**
 * Keep a node in its slot in the page, also after the notebook redraws the output.
 *
 * @param {Element} node
 * @param {string} slot
 * @param {AbortSignal} signal
 * @param {() => boolean} stays Whether the node stays in the page when the widget ends.
 */
function settle(node, slot, signal, stays) {
  let home = /** @type {Element | null} */ (null);
  let kept = /** @type {ChildNode[]} */ ([]);
  let focused = /** @type {HTMLElement | null} */ (null); // element that loses the focus when the notebook redraws the output

  function place() {
    if (node.isConnected) return;
    home = [...document.querySelectorAll(`[data-mmg-slot="${slot}"]`)].at(-1) ?? null;
    if (!home) return;
    kept = [...home.childNodes];
    home.replaceChildren(node);
    if (focused) focused.focus({ preventScroll: true });
  }

  const observer = new MutationObserver(place);
  observer.observe(document.body, { childList: true, subtree: true });
  /** @param {{target: any}} event */
  const hold = ({ target }) => (focused = node.contains(target) ? target : null);
  /** @param {{target: any}} event */
  const release = ({ target }) => node.contains(target) || (focused = null);
  window.addEventListener("focusin", hold, { capture: true, signal });
  window.addEventListener("pointerdown", release, { capture: true, signal });
  signal.addEventListener("abort", () => {
    observer.disconnect();
    if (home && !stays()) home.replaceChildren(...kept);
  });
  place();
}

/**
 * Call a listener once when several parts of the state have changed by one message.
 *
 * @param {Model} model
 * @param {string[]} names Parts of the state.
 * @param {() => void} listener
 */
function watch(model, names, listener) {
  let due = false;
  const soon = () => {
    if (!due) queueMicrotask(() => {
      due = false;
      listener();
    });
    due = true;
  };
  for (const name of names) model.on(`change:${name}`, soon);
}

/**
 * The entry points of a widget that takes the place of the HTML in its slot.
 *
 * A notebook may hold the state of a widget whose kernel has ended. Then the HTML stays, because
 * the widget enters only when it hears from its kernel: an answer, or a change of its state, since
 * a busy kernel may not answer. Without a slot, an output holds the widget.
 *
 * @param {(model: Model, signal: AbortSignal) => {node: HTMLElement, stays: () => boolean}} create
 *   Makes the view of a model: its `node`, and `stays` for `settle`.
 * @param {string[]} names State that the kernel changes.
 * @returns {{initialize: import("@anywidget/types").Initialize,
 *   render: import("@anywidget/types").Render}}
 */
function inSlot(create, names) {
  /** @param {{model: Model}} given @returns {void | (() => void)} */
  function initialize({ model }) {
    if (!model.get("slot")) return undefined;
    const closing = new AbortController();
    const enter = () => {
      model.off("msg:custom", enter);
      for (const name of names) model.off(`change:${name}`, enter);
      const { node, stays } = create(model, closing.signal);
      keepKeys(node, closing.signal);
      settle(node, model.get("slot"), closing.signal, stays);
    };
    model.on("msg:custom", enter);
    for (const name of names) model.on(`change:${name}`, enter);
    model.send({ action: "hello" });
    return () => closing.abort();
  }

  /** @param {{model: Model, el: HTMLElement}} given */
  function render({ model, el }) {
    const closing = new AbortController();
    const { node } = create(model, closing.signal);
    keepKeys(node, closing.signal);
    el.append(node);
    return () => closing.abort();
  }

  return { initialize, render };
}
