"""A widget in a browser without a notebook and without a kernel."""

from __future__ import annotations

import base64
import time
from typing import Any

from playwright.sync_api import Browser

PATIENCE = 60  # seconds; a busy machine is slow, not wrong
RENDER = """async ([code, state]) => {
  const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const plain = ([kind, value]) => (kind === "bytes" ? bytes(value) : value);
  const listeners = {};
  const held = Object.fromEntries(Object.entries(state).map(([k, v]) => [k, plain(v)]));
  window.sent = [];
  window.change = (changes) => {
    for (const [name, value] of Object.entries(changes)) held[name] = plain(value);
    for (const name of Object.keys(changes)) {
      for (const hear of listeners[`change:${name}`] ?? []) hear();
    }
  };
  const model = {
    get: (name) => held[name],
    on: (event, hear) => (listeners[event] ??= []).push(hear),
    off: () => undefined,
    send: (message) => window.sent.push(message),
  };
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  (await import(url)).default.render({ model, el: document.body });
}"""
DARK = """html { --jp-ui-font-color1: #e8e8e8; --jp-ui-font-color2: #b0b0b0;
  --jp-layout-color0: #111; --jp-layout-color1: #1c1c1c; --jp-border-color2: #555; }
body { background: #111; }"""


class BarePage:
    """A page that shows a widget of this process.

    The browser and the widget exchange what is new when `until` or `exchange` is called.

    Args:
        browser: The browser.
        widget: The widget.
        width: Of the page, pixels.
        dark: Whether the page has the dark colours of JupyterLab.
    """

    def __init__(
        self, browser: Browser, widget: Any, width: int = 1300, dark: bool = False
    ) -> None:
        self.widget = widget
        self.errors: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 900})
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.set_content(f"<body data-jp-theme-light='{str(not dark).lower()}'></body>")
        self.page.add_style_tag(content=widget._css + (DARK if dark else ""))
        self._known: dict[str, Any] = {}
        self.page.evaluate(RENDER, [widget._esm, self._news()])

    def _news(self) -> dict[str, Any]:
        state = {k: v for k, v in self.widget.get_state().items() if not k.startswith("_")}
        news = {k: v for k, v in state.items() if k not in self._known or self._known[k] != v}
        self._known = state
        return {k: _sendable(v) for k, v in news.items() if k not in ("layout", "comm")}

    def exchange(self) -> None:
        """Give the widget what the browser has sent, and the browser what has changed."""
        for message in self.page.evaluate("window.sent.splice(0)"):
            self.widget._handle_custom_msg(message, [])
        if news := self._news():
            self.page.evaluate("news => window.change(news)", news)

    def until(self, condition: Any) -> None:
        """Exchange until a condition is true."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline
            self.exchange()
            time.sleep(0.02)


def _sendable(value: Any) -> tuple[str, Any]:
    if isinstance(value, bytes | memoryview):
        return "bytes", base64.b64encode(bytes(value)).decode()
    return "plain", value
