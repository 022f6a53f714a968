"""Which directory holds the definitions of metrics and experiments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import listenback
from analytics.catalog import CatalogError, load_catalog
from listenback.console import err

if TYPE_CHECKING:
    from analytics.catalog import Catalog

PACKAGE = Path(listenback.__file__).parent


def config_dir(named: Path | None) -> Path:
    """The named directory; else ./config where it holds metrics; else what comes along."""
    if named is not None:
        return named
    here = Path("config")
    installed, checkout = PACKAGE / "config", PACKAGE.parent / "config"
    if (here / "metrics").is_dir():
        return here
    return installed if installed.is_dir() else checkout


def definitions(named: Path | None) -> Catalog:
    """The catalogue; each problem of its files is a line on stderr before the error."""
    try:
        return load_catalog(config_dir(named))
    except CatalogError as error:
        for problem in error.problems[1:]:
            err.print(str(problem), markup=False)
        raise
