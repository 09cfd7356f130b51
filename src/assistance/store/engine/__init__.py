"""The databases: one writer, a few readers, SQLite, PostgreSQL, migrations."""
