// The live view as a separate widget, and later the result. Needs live.js, slot.js.

const WATCHED = ["said", "first", "curves", "track", "standing", "steerable", "shown"];

function createView(model) {
  const live = createLive(model);
  const node = make("div", { class: "mmg" }, live.node);
  const ended = () => model.get("shown") !== "";

  function update() {
    if (!ended()) {
      live.update();
      return;
    }
    node.className = ""; // a result looks as in any output
    node.innerHTML = model.get("shown");
  }

  watch(model, WATCHED, update);
  update();
  return { node, stays: ended };
}

export default inSlot(createView, WATCHED);
