import re
import subprocess
import sys

import duckdb
import pytest

from streams.errors import ConfigError, IntegrityError, TransientError
from streams.warehouse import layout, migrate, views
from streams.warehouse.connect import open_readable, open_writable


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    path = tmp_path_factory.mktemp("schema") / "w.duckdb"
    con = open_writable(path, memory="500MB", threads_n=1)
    migrate.migrate(con, str(path))
    yield con
    con.close()


def test_the_migrations_are_what_the_layout_says():
    first, second = migrate.migrations()[:2]
    assert first.sql.partition("\n")[2].strip() == "\n\n".join(
        table.ddl for table in layout.TABLES.values()
    )
    assert second.sql.partition("\n")[2].strip() == views.ddl().strip()


def test_every_column_of_every_table_and_view_has_a_comment(migrated):
    bare = migrated.sql(
        "SELECT table_name, column_name FROM duckdb_columns() "
        "WHERE NOT internal AND database_name = current_database() AND comment IS NULL"
    ).fetchall()
    assert bare == []
    tables = migrated.sql(
        "SELECT table_name FROM duckdb_tables() WHERE comment IS NULL "
        "AND database_name = current_database()"
    ).fetchall()
    assert tables == []


def test_views_list_the_columns_that_the_documentation_names(migrated):
    for name, columns in views.VIEW_COLUMNS.items():
        assert tuple(migrated.sql(f"FROM {name}").columns) == columns


def test_migrating_twice_changes_nothing(migrated):
    before = migrated.sql("FROM schema_history").fetchall()
    migrate.migrate(migrated, "here")
    assert migrated.sql("FROM schema_history").fetchall() == before
    assert [row[0] for row in before] == [1, 2]


def test_a_newer_schema_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "newer.duckdb"
    con = open_writable(path, memory="500MB", threads_n=1)
    migrate.migrate(con, str(path))
    con.execute("INSERT INTO schema_history VALUES (999, '0999_later.sql', now()::TIMESTAMP)")
    with pytest.raises(IntegrityError, match="999 is newer") as caught:
        migrate.migrate(con, str(path))
    assert caught.value.exit_code == 5
    con.close()


def test_a_failed_migration_leaves_no_trace(tmp_path, monkeypatch):
    broken = [*migrate.migrations(), migrate.Migration(3, "0003_x.sql", "CREATE TABLE y(a INT); x")]
    monkeypatch.setattr(migrate, "migrations", lambda: broken)
    con = open_writable(tmp_path / "b.duckdb", memory="500MB", threads_n=1)
    with pytest.raises(duckdb.Error):
        migrate.migrate(con, "b")
    assert migrate.version_of(con) == 2
    tables = {name for (name,) in con.sql("SELECT table_name FROM duckdb_tables()").fetchall()}
    assert "y" not in tables
    con.close()


def test_files_open_without_their_catalogue_name(tmp_path):
    path = tmp_path / "any-name.duckdb"
    con = open_writable(path, memory="500MB", threads_n=1)
    migrate.migrate(con, str(path))
    con.close()
    reader = open_readable(path)
    assert reader.sql("SELECT count(*) FROM window_aggregate").fetchall() == [(0,)]
    reader.close()


def test_a_file_that_is_no_database_is_one_clear_line(tmp_path):
    path = tmp_path / "notes.duckdb"
    path.write_text("not a database, but long enough to be looked at as one" * 100)
    with pytest.raises(ConfigError, match=re.escape(str(path))):
        open_readable(path)


def test_a_missing_warehouse_says_what_to_run(tmp_path):
    with pytest.raises(ConfigError, match="listenback demo"):
        open_readable(tmp_path / "absent.duckdb")


def test_a_file_that_another_process_holds_is_a_passing_trouble(tmp_path):
    path = tmp_path / "held.duckdb"
    code = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True);"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(TransientError, match="another process"):
            open_writable(path, memory="500MB", threads_n=1)
        holder.stdin.close()
