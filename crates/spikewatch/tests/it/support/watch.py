"""Sums up usage again and again through every reader, while it grows, and compares each sum with what was produced.

watch.py PG_PORT FLIGHT_PORT USER PASSWORD FOLDER EVENTS

FOLDER is the Delta table, EVENTS what is produced to one partition, a line each: whatever number of
rows a reader finds, they must be the first so many. It goes on until its input ends, and prints for
each reader how often it was asked, how many different numbers of rows it found, and the last.
"""

import json
import pathlib
import sys
import threading
import time

import adbc_driver_flightsql.dbapi as flight
import duckdb
import duckdb_extension_delta
import psycopg

pg_port, flight_port, user, password, folder, events = sys.argv[1:]
SUMS = "count(*), sum(input_tokens + output_tokens), sum(cost_usd) * 1000000000"

# What the first so many events add up to.
expected = [(0, 0, 0)]
with open(events, encoding="utf-8") as lines:
    for line in lines:
        event = json.loads(line)
        rows, tokens, nanos = expected[-1]
        tokens += event["input_tokens"] + event["output_tokens"]
        expected.append((rows + 1, tokens, nanos + round(event["cost_usd"] * 1e9)))


def wire():
    address = f"host=127.0.0.1 port={pg_port} user={user} dbname=spikewatch connect_timeout=5"
    with psycopg.connect(address, password=password) as connection:
        return connection.execute(f"SELECT {SUMS} FROM usage_events").fetchone()


def columns():
    options = {"username": user, "password": password}
    address = f"grpc://127.0.0.1:{flight_port}"
    with flight.connect(address, db_kwargs=options, autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {SUMS} FROM usage_events")
            return cursor.fetchone()


# The package has the extension as a file, so that DuckDB fetches nothing.
(extension,) = pathlib.Path(duckdb_extension_delta.__path__[0]).rglob("*.duckdb_extension")


def duck():
    if not pathlib.Path(folder, "_delta_log").exists():
        raise FileNotFoundError(folder)
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{extension}'")
        return connection.execute(f"SELECT {SUMS} FROM delta_scan(?)", [folder]).fetchone()


# What it means that nobody is there just now, because the service was killed.
GONE = (psycopg.OperationalError, flight.OperationalError, flight.InternalError, FileNotFoundError)
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
report = {}
for name, ask in [("wire", wire), ("flight", columns), ("duck", duck)]:
    report[name] = {"asked": 0, "gone": 0, "found": set(), "last": 0}
while True:
    # Whoever is asked after the end must find all.
    is_last = over.is_set()
    for name, ask in [("wire", wire), ("flight", columns), ("duck", duck)]:
        of = report[name]
        try:
            found = tuple(int(value or 0) for value in ask())
        except GONE as error:
            assert not is_last, (name, error)
            of["gone"] += 1
            continue
        assert found == expected[found[0]], (name, found, expected[found[0]])
        if name == "duck":
            assert found[0] >= of["last"], "what is committed was there once and is not any more"
        of["asked"] += 1
        of["found"].add(found[0])
        of["last"] = found[0]
    if is_last:
        break
    time.sleep(0.05)
for of in report.values():
    of["found"] = len(of["found"])
print(json.dumps(report))
