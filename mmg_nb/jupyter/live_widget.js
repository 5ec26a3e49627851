// The live view as a separate widget. Needs live.js.

function render({ model, el }) {
  const live = createLive(model);
  el.classList.add("mmg");
  el.append(live.node);
  model.on("change", live.update);
  live.update();
  const closing = new AbortController();
  keepKeys(live.node, closing.signal);
  return () => {
    closing.abort();
    model.off("change", live.update);
  };
}

export default { render };
