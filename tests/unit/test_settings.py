"""Where settings come from, which one wins, and what is said about a wrong one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streams.errors import ConfigError
from streams.settings import PATHS, SECRETS, Settings, load_settings, load_with_origins


@pytest.fixture(autouse=True)
def clean_place(tmp_path, monkeypatch):
    """An empty folder and no variable of ours."""
    for name in list(os.environ):
        if name.startswith("LISTENBACK_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def refused(**flags) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(**flags)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_each_source_wins_over_the_ones_below_it(tmp_path, monkeypatch):
    ladder = [("default", "listenback")]
    assert load_settings().group == "listenback"
    (tmp_path / "listenback.toml").write_text('# ours\ngroup = "toml"\n')
    ladder.append((f"{tmp_path}/listenback.toml:2", "toml"))
    assert seen("group") == ladder[-1]
    (tmp_path / ".env").write_text("OTHER=1\n\nLISTENBACK_GROUP=dotenv\n")
    ladder.append((f"{tmp_path}/.env:3", "dotenv"))
    assert seen("group") == ladder[-1]
    monkeypatch.setenv("LISTENBACK_GROUP", "variable")
    ladder.append(("LISTENBACK_GROUP", "variable"))
    assert seen("group") == ladder[-1]
    assert seen("group", group="flag") == ("--group", "flag")
    assert len({origin for origin, _ in ladder}) == 4


def seen(name: str, **flags) -> tuple[str, object]:
    loaded = load_with_origins(**flags)
    return loaded.origins[name], getattr(loaded.settings, name)


def test_a_flag_that_is_none_was_not_given():
    assert seen("partitions_n", partitions_n=None) == ("default", 4)


def test_an_empty_variable_was_not_given(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("LISTENBACK_GROUP=\n")
    monkeypatch.setenv("LISTENBACK_BOOTSTRAP", "")
    assert load_settings() == Settings()


def test_the_project_file_is_found_from_below_and_its_paths_are_meant_from_its_folder(
    tmp_path, monkeypatch
):
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "listenback.toml").write_text('ssl_cafile = "ca.pem"\nsecurity_protocol = "SSL"\n')
    monkeypatch.chdir(below)
    settings = load_settings()
    assert settings.ssl_cafile == tmp_path / "ca.pem"
    assert settings.data_dir == tmp_path / "listenback-data"
    assert load_settings(data_dir=Path("here")).data_dir == Path("here")


def test_sizes_can_be_given_as_one_text_or_as_an_array(tmp_path, monkeypatch):
    (tmp_path / "listenback.toml").write_text("window_sizes_s = [60, 120]\n")
    assert load_settings().window_sizes_s == (60, 120)
    monkeypatch.setenv("LISTENBACK_WINDOW_SIZES_S", "60, 3600")
    assert load_settings().window_sizes_s == (60, 3600)


@pytest.mark.parametrize("place", ["toml", "env", "dotenv", "flag"])
def test_an_unknown_name_is_an_error_with_the_name_that_was_meant(place, tmp_path, monkeypatch):
    flags = {}
    if place == "toml":
        (tmp_path / "listenback.toml").write_text("\npartition_n = 8\n")
    elif place == "dotenv":
        (tmp_path / ".env").write_text("A=1\nLISTENBACK_PARTITION_N=8\n")
    elif place == "env":
        monkeypatch.setenv("LISTENBACK_PARTITION_N", "8")
    else:
        flags = {"partition_n": 8}
    message = refused(**flags).lower()
    assert "did you mean" in message
    assert "partitions_n" in message
    where = {"toml": "listenback.toml:2:", "dotenv": ".env:2:", "env": "environment:", "flag": "--"}
    assert where[place] in message


def test_a_table_in_the_project_file_is_an_unknown_name(tmp_path):
    (tmp_path / "listenback.toml").write_text('group = "x"\n[kafka]\nbootstrap = "a:1"\n')
    assert "listenback.toml:2: no setting is called 'kafka'" in refused()


def test_broken_toml_names_the_file_and_the_line(tmp_path):
    (tmp_path / "listenback.toml").write_text('group = "x"\npartitions_n = \n')
    message = refused()
    assert "listenback.toml: this is not TOML" in message
    assert "line 2" in message


@pytest.mark.parametrize(
    ("file", "text"),
    [("listenback.toml", b"horizon_days = 3\n"), (".env", b"LISTENBACK_HORIZON_DAYS=3\n")],
)
def test_a_file_of_settings_is_utf_8_with_or_without_a_mark(file, text, tmp_path):
    (tmp_path / file).write_bytes(b"\xef\xbb\xbf" + text)
    assert load_settings().horizon_days == 3
    (tmp_path / file).write_bytes(text + b"# caf\xe9\n")
    message = refused()
    assert f"{file}:2: byte 0xe9 is not UTF-8." in message
    assert "Save the file as UTF-8." in message


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_is_taken_from_the_environment_only(name, tmp_path, monkeypatch):
    (tmp_path / "listenback.toml").write_text(f'{name} = "hunter2"\n')
    message = refused()
    assert f"set LISTENBACK_{name.upper()} in the environment" in message
    assert "hunter2" not in message
    (tmp_path / "listenback.toml").unlink()
    assert f"--{name.replace('_', '-')}" in refused(**{name: "hunter2"})
    monkeypatch.setenv("LISTENBACK_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("LISTENBACK_SASL_MECHANISM", "PLAIN")
    monkeypatch.setenv("LISTENBACK_SASL_USERNAME", "u")
    monkeypatch.setenv("LISTENBACK_SASL_PASSWORD", "other")
    monkeypatch.setenv(f"LISTENBACK_{name.upper()}", "hunter2")
    settings = load_settings()
    assert getattr(settings, name).get_secret_value() == "hunter2"
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("partitions_n", "0", "greater than or equal to 1"),
        ("partitions_n", "many", "valid integer"),
        ("bootstrap", "kafka", "not of this form"),
        ("bootstrap", "a:1,,b:2", "not of this form"),
        ("worker_id", "../up", "not of this form"),
        ("window_sizes_s", "60,60", "names one size twice"),
        ("window_sizes_s", "60,0", "greater than or equal to 1"),
        ("publish_share_max", "0", "greater than 0"),
        ("duckdb_memory", "much", "not of this form"),
        ("security_protocol", "TLS", "'PLAINTEXT', 'SSL'"),
    ],
)
def test_a_bad_value_is_one_line_with_its_origin(name, value, why, monkeypatch):
    variable = f"LISTENBACK_{name.upper()}"
    monkeypatch.setenv(variable, value)
    message = refused()
    assert message.startswith(f"{variable}: ")
    assert why in message


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"security_protocol": "SASL_SSL"}, "needs sasl_mechanism"),
        ({"sasl_username": "u"}, "sends no login"),
        ({"ssl_cafile": "ca.pem"}, "is not encrypted"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(given, why):
    assert why in refused(**given)


def test_settings_are_values():
    with pytest.raises(ValueError, match="frozen"):
        Settings().group = "other"
    assert Settings() == Settings()


def test_every_setting_has_a_meaning_and_every_path_and_secret_is_one():
    fields = Settings.model_fields
    assert all(field.description for field in fields.values())
    assert {name for name, field in fields.items() if "Path" in str(field.annotation)} == PATHS
    assert {name for name, field in fields.items() if "Secret" in str(field.annotation)} == SECRETS


def test_topics_carry_the_prefix():
    assert Settings(topic_prefix="eu.").topic("listens") == "eu.listens"
