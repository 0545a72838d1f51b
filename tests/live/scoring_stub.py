"""A scoring server for tests of the router: `python scoring_stub.py PORT NAME`; prints its port when it listens.

Answers with JSON that tells what came in. The query says how: `sleep` (seconds), `status`, `size` (bytes of the answer,
sent in pieces), `die` (the process ends at once), `cut` (the connection ends in the middle of the answer), `trickle`
(pieces with pauses).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import sys

from aiohttp import web


async def score(request: web.Request) -> web.StreamResponse:
    body = await request.read()
    asked = request.query
    await asyncio.sleep(float(asked.get("sleep", 0)))
    if "die" in asked:
        os._exit(9)
    if "size" in asked or "cut" in asked or "trickle" in asked:
        return await in_pieces(request, int(asked.get("size", 0)))
    seen = {
        "name": sys.argv[2],
        "pid": os.getpid(),
        "method": request.method,
        "path": request.path_qs,
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "size": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    return web.json_response(seen, status=int(asked.get("status", 200)), headers={"X-Stub": sys.argv[2]})


async def in_pieces(request: web.Request, size: int) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    await answer.prepare(request)
    if "cut" in request.query:
        await answer.write(b"half an ans")
        assert request.transport is not None
        request.transport.abort()
        return answer
    for number in range(int(request.query.get("trickle", 0))):
        await answer.write(b"%d\n" % number)
        await asyncio.sleep(0.1)
    piece = b"x" * 65536
    while size > 0:
        await answer.write(piece[:size])
        size -= len(piece)
    await answer.write_eof()
    return answer


async def main() -> None:
    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{path:.*}", score)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", int(sys.argv[1])))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    print(listening.getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
