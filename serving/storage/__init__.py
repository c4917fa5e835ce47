"""What the counter remembers: tables, queries, the one writer, migrations."""
