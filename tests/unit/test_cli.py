"""The command line as a whole: what it knows, how it starts, how it ends."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from listenback import cli, console
from listenback.lazy import Entry, load
from streams.errors import ConfigError, IntegrityError, TransientError

HEAVY = ("polars", "duckdb", "faust", "aiokafka", "kafka", "numpy", "scipy", "pydantic", "pyarrow")


@pytest.fixture(autouse=True)
def loud():
    """The consoles as they start."""
    yield
    console.configure()
    console.out.no_color = console.err.no_color = False


def listenback(*args: str, stdout=subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from listenback.cli import main; main()", *args]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)


@pytest.fixture
def add(monkeypatch):
    """Adds a command of the test to the root."""
    commands = {}
    monkeypatch.setattr(cli.Root, "entries", commands)

    def add(function):
        module = sys.modules[__name__]
        monkeypatch.setattr(module, function.__name__, function, raising=False)
        commands[function.__name__] = Entry(f"{__name__}:{function.__name__}", "Test.")

    return add


def test_help_names_every_command_and_imports_none():
    script = (
        "import sys; from listenback.cli import run; code = run(['--help']); "
        "print(sorted(set(sys.modules) & set(sys.argv[1:])), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *HEAVY], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
    for name, entry in cli.COMMANDS.items():
        assert name in done.stdout
        assert entry.line.split()[0] in done.stdout


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_line_in_the_list_is_the_first_line_of_the_command_s_help(name):
    command = load(name, cli.COMMANDS[name].target)
    assert command.help
    assert command.help.splitlines()[0] == cli.COMMANDS[name].line
    assert command.name == name


def test_no_help_holds_what_the_terminal_takes_for_markup():
    sources = sorted((Path(cli.__file__).parent / "commands").glob("*.py"))
    docs = {
        f"{path.name}: {node.name}": ast.get_docstring(node) or ""
        for path in sources
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    assert len(docs) > 100
    assert [name for name, text in docs.items() if re.search(r"\w\[[a-z/]+\]", text)] == []


def test_no_command_prints_the_help(capsys):
    assert cli.run([]) == 0
    assert "Usage: listenback" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["verson"], "Did you mean 'version'?"),
        (["version", "--jsno"], "--json"),
        (["config"], ""),
        (["config", "shwo"], "Did you mean 'show'?"),
        (["--loud"], "No such option"),
        (["version", "extra"], "unexpected extra argument"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_code_2(args, why, capsys):
    assert cli.run(args) == 2
    said = capsys.readouterr()
    assert why in said.err
    assert len(said.err.splitlines()) == (1 if why else 0)


def test_version_is_printed_by_option_and_by_command(capsys):
    assert cli.run(["--version"]) == 0
    name, number = capsys.readouterr().out.split()
    assert cli.run(["version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[name] == number


@pytest.mark.parametrize("error", [ConfigError, TransientError, IntegrityError])
def test_an_error_of_ours_is_one_line_and_its_own_code(error, add, capsys):
    def fails() -> None:
        raise error("it is so.", where="here", todo="Do\nthis.")

    add(fails)
    assert cli.run(["fails"]) == error.exit_code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"{error.__name__}: here: it is so. Do this.\n"


def test_a_bug_of_ours_is_a_traceback_and_not_the_code_of_findings(add, capsys):
    def breaks() -> None:
        raise ZeroDivisionError

    add(breaks)
    assert cli.run(["breaks"]) == 70
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 1, 4])
def test_a_command_s_own_exit_code_is_kept(code, add):
    def ends() -> None:
        raise typer.Exit(code)

    add(ends)
    assert cli.run(["ends"]) == code


def test_ctrl_c_ends_with_130(add, capsys):
    def waits() -> None:
        raise KeyboardInterrupt

    add(waits)
    assert cli.run(["waits"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_quiet_silences_notes_and_keeps_data_and_errors(add, capsys):
    def speaks() -> None:
        console.out.print("data")
        console.err.print("a note")
        raise ConfigError("wrong.")

    add(speaks)
    assert cli.run(["-q", "speaks"]) == 2
    said = capsys.readouterr()
    assert said.out == "data\n"
    assert said.err == "ConfigError: wrong.\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_is_no_error_of_ours(unbuffered, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    command = [sys.executable, "-c", "from listenback.cli import main; main()", "config", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        child.stdout.close()
        said = child.stderr.read()
        assert child.wait() == console.BROKEN_PIPE
    assert said == b""


@pytest.mark.parametrize("how", ["flag", "variable"])
def test_no_color_leaves_no_escapes(how, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    args = ["version", "-h"]
    assert colours(listenback(*args).stdout)
    if how == "variable":
        monkeypatch.setenv("NO_COLOR", "1")
    else:
        args = ["--no-color", *args]
    assert not colours(listenback(*args).stdout)


def colours(text: str) -> list[str]:
    """The foreground colours; bold and dim are not colours."""
    return re.findall(r"\x1b\[(?:\d+;)*(3[0-7]|9[0-7])m", text)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_completion(shell, monkeypatch):
    # `--show-completion` asks which shell started it, and in CI none may have.
    monkeypatch.setenv("_LISTENBACK_COMPLETE", f"source_{shell}")
    assert f"_LISTENBACK_COMPLETE=complete_{shell}" in listenback().stdout


@pytest.mark.parametrize("typed", ["listenback nigh", "listenback nightly"])
def test_completion_names_the_commands(typed, monkeypatch):
    monkeypatch.setenv("_LISTENBACK_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", "1")
    assert listenback().stdout.split() == ["nightly"]


def test_config_show_tells_the_origin_and_masks_secrets(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "listenback.toml").write_text('group = "nightly"\n')
    monkeypatch.setenv("LISTENBACK_USER_KEY_SECRET", "hunter2")
    assert cli.run(["config", "show", "--origin", "--json"]) == 0
    text = capsys.readouterr().out
    shown = json.loads(text)
    assert shown["group"] == {"value": "nightly", "origin": f"{tmp_path}/listenback.toml:1"}
    assert shown["user_key_secret"]["origin"] == "LISTENBACK_USER_KEY_SECRET"
    assert shown["bootstrap"]["origin"] == "default"
    assert "hunter2" not in text


def test_config_list_answers_when_the_settings_are_broken(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "listenback.toml").write_text("grup = 1\n")
    assert cli.run(["config", "show"]) == 2
    assert cli.run(["config", "list"]) == 0
    assert "group" in capsys.readouterr().out
