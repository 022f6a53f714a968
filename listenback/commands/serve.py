"""`listenback serve`: the live page."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer

from listenback.commands.nightly import REPORTS
from listenback.commands.report import WarehouseFile
from listenback.console import err
from listenback.options import setting
from streams.settings import load_settings

Host = Annotated[str, typer.Option("--host", help="Address to listen on.")]
Port = Annotated[int, typer.Option("--port", "-p", min=1, max=65_535, help="Port to listen on.")]
Reports = Annotated[
    Path, typer.Option("--reports", help="Where `listenback nightly` writes its folders.")
]


def serve(
    *,
    host: Host = "127.0.0.1",
    port: Port = 8_787,
    reports: Reports = REPORTS,
    warehouse: WarehouseFile = None,
    data_dir: Annotated[Path | None, setting("data_dir")] = None,
) -> None:
    """Show live windows, balance, verdicts over the nights, judges, dead letters.

    A local web page that refreshes itself and changes nothing. On any other
    address than loopback it asks for the token LISTENBACK_SERVE_TOKEN. Windows
    are as fine as the traffic carries (20 plays each), over the newest 180;
    the links above the chart choose another size. Works without JavaScript;
    charts need the extra `serve` of the package.

    Examples:
      listenback serve                       http://127.0.0.1:8787
      listenback serve --data-dir demo/data --reports demo/nights
      LISTENBACK_SERVE_TOKEN=... listenback serve --host 0.0.0.0
    """
    from listenback.live import server  # noqa: PLC0415 - aiohttp loads slowly

    settings = load_settings(data_dir=data_dir)
    token = settings.serve_token
    serving = server.Serving(
        host,
        port,
        warehouse or settings.warehouse_file,
        reports,
        None if token is None else token.get_secret_value(),
    )
    server.check(serving)
    if server.plotly_file() is None:
        err.print("no charts, only tables: pip install 'listenback[serve]'", markup=False)
    asyncio.run(_until_told(serving))


async def _until_told(serving: object) -> None:
    from listenback.live import server  # noqa: PLC0415 - see `serve`

    assert isinstance(serving, server.Serving)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    shown = f"[{serving.host}]" if ":" in serving.host else serving.host
    said = f"http://{shown}:{serving.port}  (Ctrl-C ends it)"
    await server.serve(serving, ended, lambda: err.print(said, markup=False))
