"""Reports of a table's runs: tables, figures, notes and files, for people."""
