"""The house rules that no linter knows; an offender is named with its place."""

from __future__ import annotations

import ast
import re
import statistics
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from support.together import TOGETHER, Together

from listenback import cli
from listenback.lazy import load

ROOT = Path(__file__).parents[1]
PACKAGES = ("streams", "analytics", "listenback")
CORES = ("streams/engine", "analytics/stats")
CODE = (*PACKAGES, "tests", "benchmarks", "docs", "notebooks")
FUNCTION_LINES_MAX = 40
FILE_LINES_MAX = 400
EXAMPLE_COLUMNS_MAX = 78  # what an 80-column terminal leaves of a line
TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".sql", ".txt", ".cfg", ".html", ".css", ".ipynb"}
NAMED = ("Makefile", "Dockerfile", ".dockerignore", ".gitignore", "run")
ROW_LOOPS = {"iter_rows", "iter_slices", "to_dicts", "map_elements", "rows_by_key", "iterrows"}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def texts() -> list[Path]:
    """Every text file a person wrote or a generator of ours writes."""
    folders = (*CODE, "config", "ops", "requirements", ".ci")
    below = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    return [
        path
        for path in (*ROOT.iterdir(), *below)
        if path.is_file() and (path.suffix in TEXT or path.name in NAMED)
    ]


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def lines_n(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the function without its docstring: what has to be read to know what it does."""
    documented = ast.get_docstring(node, clean=False) is not None
    docstring = node.body[0] if documented else None
    said = docstring.end_lineno - docstring.lineno + 1 if docstring else 0
    return node.end_lineno - node.lineno + 1 - said


def matches(pattern: str, paths: list[Path]) -> list[str]:
    """The places where `pattern` stands; this file holds the patterns."""
    wanted = re.compile(pattern)
    return [
        place(path, number)
        for path in paths
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if wanted.search(line)
    ]


def test_a_function_fits_on_a_screen():
    long = [
        f"{place(path, node.lineno)} {node.name}: {lines_n(node)}"
        for path in sources(*CODE)
        for node in functions(path)
        if lines_n(node) > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_most_functions_are_short():
    sizes = [lines_n(node) for path in sources(*PACKAGES) for node in functions(path)]
    assert statistics.median(sizes) <= 10
    assert statistics.quantiles(sizes, n=10)[-1] <= 25


def test_a_file_holds_one_idea():
    long = {
        str(path.relative_to(ROOT)): n
        for path in sources(*CODE)
        if (n := len(path.read_text(encoding="utf-8").splitlines())) > FILE_LINES_MAX
    }
    assert long == {}


def test_no_file_is_a_drawer():
    names = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py"}
    assert [str(path) for path in sources(*CODE) if path.name in names] == []


def test_the_cores_do_not_loop_over_rows():
    loops = [
        place(path, node.lineno)
        for path in sources(*CORES)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ROW_LOOPS
    ]
    assert loops == []


def test_nothing_is_left_open():
    assert matches(r"\b(TODO|FIXME|XXX|NotImplementedError)\b", texts()) == []


def test_no_file_names_a_registry_or_a_machine():
    hosts = r"https?://[^ \"')]+/(simple|maven2|packages/[0-9a-f]{2})([/\"' ]|$)"
    machines = r"(?<![\w.])/(work|root|home|Users|mnt)/\w"
    assert matches(f"{hosts}|{machines}", texts()) == []


NOQA = re.compile(r"#\s*noqa(?:: (?P<codes>[A-Z]+\d+(?:, ?[A-Z]+\d+)*)(?P<why> - \S)?)?")
IGNORE = re.compile(r"#\s*type: ignore(?:\[(?P<codes>[\w, -]+)\](?P<why>\s+# \S)?)?")


def unexplained(path: Path) -> list[str]:
    """Checks that this file ignores and nowhere says why; once in a file is enough for a check."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [one for line in lines for kind in (NOQA, IGNORE) if (one := kind.search(line))]
    codes = [(set((one["codes"] or "all").split(", ")), bool(one["why"])) for one in found]
    said = {code for named, why in codes if why for code in named}
    return sorted({code for named, _ in codes for code in named} - said)


def test_a_check_that_is_ignored_is_named_and_its_file_says_why():
    silent = {
        str(p.relative_to(ROOT)): codes for p in sources(*PACKAGES) if (codes := unexplained(p))
    }
    assert silent == {}


PARTS_OF = {
    "annotated_types": "pydantic",
    "markupsafe": "jinja2",
    "mode": "faust-streaming",
    "pydantic_core": "pydantic",
}


def test_what_is_imported_is_required():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = {re.match(r"[\w-]+", line)[0].lower() for line in project["dependencies"]}
    nodes = [
        node
        for path in sources(*PACKAGES)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    ]
    named = {one.name for node in nodes if isinstance(node, ast.Import) for one in node.names}
    named |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    tops = {name.partition(".")[0] for name in named} - set(PACKAGES) - sys.stdlib_module_names
    owners = packages_distributions()
    missing = {
        top
        for top in tops
        if not required
        & {PARTS_OF.get(top, ""), *(owner.lower().replace("_", "-") for owner in owners[top])}
    }
    assert missing == set()


def test_what_is_required_is_explained():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs/dependencies.md").read_text()
    names = [re.match(r"[\w-]+", line)[0] for line in project["dependencies"]]
    assert [name for name in names if not re.search(rf"^\|.*\b{name}\b", page, re.MULTILINE)] == []


def commands() -> list[tuple[str, object]]:
    """Every command by its path, and the groups that hold them."""
    found = []
    for name, entry in cli.COMMANDS.items():
        command = load(name, entry.target)
        found.append((name, command))
        below = getattr(command, "commands", {})
        found += [(f"{name} {verb}", verb_command) for verb, verb_command in below.items()]
    return found


COMMANDS = commands()
PATHS = [path for path, _ in COMMANDS]


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=PATHS)
def test_a_command_s_help_opens_with_a_sentence_and_shows_an_example(path, command):
    lines = command.help.splitlines()
    assert lines[0].endswith((".", "?"))
    assert "Examples:" in lines
    assert any(re.match(rf"\s+(\w+=\S+ )?listenback {path}\b", line) for line in lines)
    shown = [line for line in lines if line.startswith(" ")]
    assert [line for line in shown if len(line) > EXAMPLE_COLUMNS_MAX] == []


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=PATHS)
def test_each_option_of_a_command_says_what_it_does(path, command):
    silent = [parameter.name for parameter in command.params if not parameter.help]
    assert silent == [], path


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=PATHS)
def test_only_settings_are_read_from_the_environment(path, command):
    bound = [parameter.name for parameter in command.params if parameter.envvar]
    assert bound == [], f"{path}: make it a field of Settings, so that `config show` knows it"


def test_tests_that_share_what_takes_long_run_in_one_process_and_others_where_there_is_time():
    scope_of = object.__new__(Together)._split_scope
    for file in TOGETHER:
        assert (ROOT / "tests" / file).is_file()
        assert scope_of(f"tests/{file}::test_one[a/b]") == scope_of(f"tests/{file}::test_other")
    assert scope_of("tests/test_tidy.py::test_one") != scope_of("tests/test_tidy.py::test_other")


def test_what_is_under_fire_lies_where_its_target_looks():
    named = re.search(r"^UNDER_FIRE := (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert named is not None
    folders = [ROOT / name for name in named[1].split()]
    marked = [path for path in sources("tests") if "mark.faults" in path.read_text("utf-8")]
    elsewhere = {path for path in marked if not set(folders) & set(path.parents)}
    assert marked
    assert elsewhere == {Path(__file__)}
