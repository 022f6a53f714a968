"""Which tests run in one process, where several share the tests."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

TOGETHER = (
    "browser/test_pages.py",
    "integration/test_benchmarks.py",
    "integration/test_notebooks.py",
    "integration/test_site.py",
    "packaging/test_wheel.py",
)
"""Files whose tests share what takes long to make: one process runs all of a file."""


class Together(LoadScopeScheduling):
    """Tests go one by one to whoever has time, those of a file of TOGETHER all to one process.

    The marker `xdist_group` would say the same beside the tests, but pytest-xdist 3.8 writes it
    into a name that pytest 9.2 no longer reads, and every process makes everything.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return path if path.endswith(TOGETHER) else nodeid
