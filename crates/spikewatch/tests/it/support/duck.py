"""Sums up a table of the lake with DuckDB, which reads Delta Lake by its own extension.

duck.py FOLDER... prints one JSON object for each table: rows, requests, tokens, nano-dollars.
"""

import json
import pathlib
import sys

import duckdb
import duckdb_extension_delta

# The package has the extension as a file, so that DuckDB fetches nothing.
(extension,) = pathlib.Path(duckdb_extension_delta.__path__[0]).rglob("*.duckdb_extension")
connection = duckdb.connect()
connection.execute(f"LOAD '{extension}'")
for folder in sys.argv[1:]:
    connection.execute(
        "SELECT count(*), sum(requests)::BIGINT, sum(input_tokens)::BIGINT,"
        " (sum(cost_usd) * 1000000000)::BIGINT FROM delta_scan(?)",
        [folder],
    )
    rows, requests, tokens, nanos = connection.fetchone()
    print(json.dumps({"rows": rows, "requests": requests, "input_tokens": tokens, "nanos": nanos}))
