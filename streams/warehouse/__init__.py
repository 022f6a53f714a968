"""The DuckDB file: schema, migrations, the one transaction, publishing."""
