"""Every column of the schema is exported, or left out on purpose."""

import sqlite3
from contextlib import closing

from storage.records import TABLES
from storage.sqlite.copying import make_schema

# They belong to a process: an import leaves nothing leased.
OF_A_PROCESS = {
    ("tasks", "lease_until"),
    ("tasks", "lease_owner"),
    ("tasks", "poll_requested"),
    ("deliveries", "lease_until"),
    ("deliveries", "lease_owner"),
}


def test_every_stored_column_is_exported_or_of_a_process():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        make_schema(database)
        columns = database.execute(
            'SELECT m.name, c.name, c."notnull" OR c.pk'
            " FROM sqlite_master AS m, pragma_table_info(m.name) AS c"
            " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'"  # without generated columns
        ).fetchall()

    stored = {(table, column): not is_required for table, column, is_required in columns}
    exported = {(table.name, field.name): field.is_optional for table in TABLES for field in table.fields}
    assert exported == {name: optional for name, optional in stored.items() if name not in OF_A_PROCESS}


def test_every_table_that_numbers_its_rows_says_so():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        make_schema(database)
        numbering = database.execute("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'")

        assert {name for (name,) in numbering} == {table.name for table in TABLES if table.numbers_rows}
