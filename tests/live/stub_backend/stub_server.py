"""`stub_server.py SCRIPT PORT`: the contract of Azure ML's inference server in a few lines, started within 100 ms."""

from __future__ import annotations

import http.server
import importlib.util
import os
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    """GET is a probe, POST a request. A file named by UNHEALTHY_WHEN makes probes fail."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(503 if os.path.exists(os.environ.get("UNHEALTHY_WHEN", "/nowhere")) else 200, "{}")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        try:
            self.answer(200, script.run(body))
        except Exception as error:
            self.answer(500, repr(error))

    def answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location("score", sys.argv[1])
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.init()
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
