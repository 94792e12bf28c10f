"""A Firefox as its makers publish it, driven by Playwright; as a program, what stands between them.

Playwright says to each new page whether it is light or dark, by a command of WebDriver BiDi that
Debian's Firefox doesn't know yet. Its refusal is taken for done: the preferences say the same.
"""

import asyncio
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Playwright
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect

LOOK = "layout.css.prefers-color-scheme.content-override"
CORES = "dom.maxHardwareConcurrency"
REFUSED = re.compile(r'"id":(\d+),"error":"unknown command","message":"emulation.setMediaFeatures')
LARGEST = 2**28  # bytes of a message: a picture of a page is one
HERE = "127.0.0.1"


@contextmanager
def firefox(playwright: Playwright, program: str, look: str = "light") -> Iterator[Browser]:
    """Run it headless with an empty profile, which goes when it ends."""
    with tempfile.TemporaryDirectory() as folder:
        between = Path(folder, "between")
        command = shlex.join([sys.executable, __file__, program])
        between.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        between.chmod(0o700)
        browser = playwright.firefox.launch(
            channel="moz-firefox",
            executable_path=between,
            # One thread for a page: several, where other tests run, wait for one another.
            firefox_user_prefs={LOOK: ["dark", "light"].index(look), CORES: 1},
        )
        try:
            yield browser
        finally:
            browser.close()


class Between(WebSocketHandler):
    """Carries messages to Firefox, and its answers back."""

    def initialize(self, address: str):
        self.address = address

    async def open(self):
        self.firefox = await websocket_connect(
            self.address, on_message_callback=self.answer, max_message_size=LARGEST
        )

    def on_message(self, message):
        self.firefox.write_message(message)

    def answer(self, message):
        if message is None:  # it has ended
            self.close()
        elif refused := REFUSED.search(message[:200]):
            message = {"type": "success", "id": int(refused[1]), "result": {}}
        if message and self.ws_connection:
            self.write_message(message)

    def on_close(self):
        self.firefox.close()


async def stand_between(*command: str) -> None:
    """Start Firefox, say where it is to be found, and carry messages until it ends."""
    process = await asyncio.create_subprocess_exec(
        *command, stderr=asyncio.subprocess.PIPE, limit=LARGEST
    )
    async for line in process.stderr:
        if said := re.search(rb"(.* listening on ws://)(\S+)", line):
            sockets = bind_sockets(0, HERE)
            route = ("/session", Between, {"address": f"ws://{said[2].decode()}/session"})
            server = HTTPServer(Application([route], websocket_max_message_size=LARGEST))
            server.add_sockets(sockets)
            line = said[1] + b"%s:%d\n" % (HERE.encode(), sockets[0].getsockname()[1])
        sys.stderr.buffer.write(line)
        sys.stderr.flush()
    await process.wait()


if __name__ == "__main__":
    asyncio.run(stand_between(*sys.argv[1:]))
