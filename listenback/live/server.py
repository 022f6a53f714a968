"""The live page's server: read-only, loopback unless a token guards it."""

from __future__ import annotations

import asyncio
import dataclasses
import hmac
import json
from dataclasses import dataclass
from importlib import resources, util
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from analytics.report.numbers import Numbers, tagged
from listenback.live import words
from listenback.live.view import View, look
from streams.clock import now_us
from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.typedefs import Middleware

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
COOKIE = "listenback_token"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
TOKEN_CHARS_MIN = 16
WINDOW_DIGITS_MAX = 9
"""Of a size of windows in seconds: 30 years; Python refuses to read numbers of thousands."""
PLOTLY = "plotly.min.js"
KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Serving:
    """Where to listen, what to read; token: what a reader must bring, None on loopback."""

    host: str
    port: int
    warehouse: Path
    reports: Path
    token: str | None


def check(serving: Serving) -> None:
    """Refuse to show listeners' data to a network without a token.

    Raises: ConfigError.
    """
    if serving.host not in LOOPBACK and not serving.token:
        raise ConfigError(
            "other machines could read this page without a token.",
            where=f"--host {serving.host}",
            done="Nothing was served.",
            todo="Set LISTENBACK_SERVE_TOKEN, or leave the host at 127.0.0.1.",
        )
    if serving.token is not None and len(serving.token) < TOKEN_CHARS_MIN:
        raise ConfigError(
            f"a token of fewer than {TOKEN_CHARS_MIN} characters could be guessed.",
            where="LISTENBACK_SERVE_TOKEN",
            done="Nothing was served.",
            todo="Make a longer one: openssl rand -hex 16",
        )


def app_of(serving: Serving) -> web.Application:
    """The pages: `/` and `/view.json` (`?window=3600`), `/static/`, `/healthz`."""
    pages = web.Application(middlewares=[_guard(serving)])
    static = resources.files("listenback.live") / "static"

    async def page(request: web.Request) -> web.Response:
        view = await asyncio.to_thread(_now, serving, _window_s(request))
        return web.Response(text=html(view), content_type="text/html")

    async def data(request: web.Request) -> web.Response:
        view = await asyncio.to_thread(_now, serving, _window_s(request))
        text = json.dumps(dataclasses.asdict(view), allow_nan=False)
        return web.Response(text=text, content_type="application/json")

    async def file(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        source = plotly_file() if name == PLOTLY else Path(str(static)) / name
        if source is None or source.suffix not in KINDS or not source.is_file():
            raise web.HTTPNotFound
        body = await asyncio.to_thread(source.read_bytes)
        return web.Response(body=body, content_type=KINDS[source.suffix], charset="utf-8")

    async def health(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    pages.router.add_get("/", page)
    pages.router.add_get("/view.json", data)
    pages.router.add_get("/static/{name:[a-z0-9.]+}", file)
    pages.router.add_get("/healthz", health)
    return pages


def html(view: View) -> str:
    """The page with every number in it: scripts only draw and refresh."""
    environment = Environment(
        loader=PackageLoader("listenback.live"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        n=Numbers(tagged), has_charts=plotly_file() is not None, words=words, dash="\N{EN DASH}"
    )
    return environment.get_template("live.html.j2").render(view=view)


def plotly_file() -> Path | None:
    """The charting library, as its package brings it; None where it is not installed."""
    found = util.find_spec("plotly")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "package_data" / PLOTLY


def _now(serving: Serving, window_s: int | None) -> View:
    return look(serving.warehouse, serving.reports, now_us=now_us(), window_s=window_s)


def _window_s(request: web.Request) -> int | None:
    """Which size of windows the address asks for; None where it names none."""
    asked = request.query.get("window", "")
    is_size = asked.isascii() and asked.isdigit() and len(asked) <= WINDOW_DIGITS_MAX
    return int(asked) if is_size else None


def _guard(serving: Serving) -> Middleware:
    """Ask for the token; on loopback refuse names that are not ours (DNS rebinding)."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        token = serving.token
        if token is None:
            name = urlsplit(f"//{request.host}").hostname
            if name not in LOOPBACK:
                return _with_headers(web.Response(status=403, text="ask for localhost\n"))
        elif request.path != "/healthz":
            asked = request.query.get("token")
            if asked is not None and _equal(asked, token):
                answer = web.Response(status=303, headers={"Location": request.path})
                answer.set_cookie(COOKIE, token, httponly=True, samesite="Strict")
                return _with_headers(answer)
            bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not _equal(bearer, token) and not _equal(request.cookies.get(COOKIE, ""), token):
                said = "give the token: /?token=... or Authorization: Bearer ...\n"
                return _with_headers(web.Response(status=401, text=said))
        try:
            answered = await handler(request)
        except web.HTTPException as error:
            answered = web.Response(status=error.status, text=f"{error.reason}\n")
        return _with_headers(answered)

    return guard


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _with_headers(answer: web.StreamResponse) -> web.StreamResponse:
    answer.headers.update(HEADERS)
    return answer


async def serve(serving: Serving, ended: asyncio.Event, listening: Callable[[], None]) -> None:
    """Serve until told to end. listening: called once the address is ours.

    Raises: ConfigError where the address is taken or not ours.
    """
    runner = web.AppRunner(app_of(serving), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, serving.host, serving.port).start()
        listening()
        await ended.wait()
    except OSError as error:
        raise ConfigError(
            f"cannot listen here: {error.strerror}.",
            where=f"{serving.host}:{serving.port}",
            done="Nothing was served.",
            todo="Name a free port with --port.",
        ) from error
    finally:
        await runner.cleanup()
