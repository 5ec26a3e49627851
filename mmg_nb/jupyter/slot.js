// Widgets in place of HTML that an output holds, so that a saved notebook holds no widget.

/**
 * Keep a node in its slot in the page, also after the notebook redraws the output.
 *
 * @param stays Whether the node stays in the page when the widget ends.
 */
function settle(node, slot, signal, stays) {
  let home = null;
  let kept = [];
  let focused = null; // element that loses the focus when the notebook redraws the output

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
  const watch = (type, listener) => window.addEventListener(type, listener, { capture: true, signal });
  watch("focusin", ({ target }) => (focused = node.contains(target) ? target : null));
  watch("pointerdown", ({ target }) => node.contains(target) || (focused = null));
  signal.addEventListener("abort", () => {
    observer.disconnect();
    if (home && !stays()) home.replaceChildren(...kept);
  });
  place();
}

/**
 * The entry points of a widget that takes the place of the HTML in its slot.
 *
 * A notebook may hold the state of a widget whose kernel has ended. Then the HTML stays, because
 * the widget enters only when it hears from its kernel: an answer, or a change of its state, since
 * a busy kernel may not answer. Without a slot, an output holds the widget.
 *
 * @param create Makes the view of a model: its `node`, and `stays` for `settle`.
 */
function inSlot(create) {
  function initialize({ model }) {
    if (!model.get("slot")) return undefined;
    const closing = new AbortController();
    const enter = () => {
      model.off("msg:custom", enter);
      model.off("change", enter);
      const { node, stays } = create(model);
      keepKeys(node, closing.signal);
      settle(node, model.get("slot"), closing.signal, stays);
    };
    model.on("msg:custom", enter);
    model.on("change", enter);
    model.send({ action: "hello" });
    return () => closing.abort();
  }

  function render({ model, el }) {
    const closing = new AbortController();
    const { node } = create(model);
    keepKeys(node, closing.signal);
    el.append(node);
    return () => closing.abort();
  }

  return { initialize, render };
}
