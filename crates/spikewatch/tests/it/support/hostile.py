"""Asks the SQL gateway what it must refuse, and ends with an error where it does not.

hostile.py PORT USER PASSWORD FILE
"""

import sys
import time

import psycopg

port, user, password, file = sys.argv[1:]
ADDRESS = f"host=127.0.0.1 port={port} user={user} dbname=spikewatch connect_timeout=2"
# Whoever finds the gateway gone finds it back as soon.
PATIENCE = 2.0


def connect():
    began = time.monotonic()
    while True:
        try:
            return psycopg.connect(ADDRESS, password=password, autocommit=True)
        except psycopg.OperationalError:
            assert time.monotonic() - began < PATIENCE, "the gateway is not back"
            time.sleep(0.05)


def sums():
    with connect() as connection:
        return connection.execute(
            "SELECT count(*), sum(requests), sum(cost_usd) FROM usage_events"
        ).fetchone()


before = sums()
gone = 0
with open(file, encoding="utf-8") as lines:
    statements = [line.strip() for line in lines if line.strip() and not line.startswith("--")]
for statement in statements:
    with connect() as connection:
        try:
            connection.execute(statement, prepare=False)
        except psycopg.OperationalError as error:
            # Its process is gone, or the statement took too much.
            gone += connection.broken
            assert not connection.broken or "closed" in str(error), error
        except psycopg.Error:
            pass
        else:
            raise AssertionError(f"not refused: {statement}")
assert gone >= 1, "nothing ended the process, so that nothing shows that it comes back"
assert sums() == before
print(len(statements), gone)
