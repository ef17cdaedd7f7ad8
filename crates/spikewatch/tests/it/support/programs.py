"""Asks the SQL gateway what programs ask of a PostgreSQL server, and lists what is not answered.

programs.py PORT USER PASSWORD FILE
"""

import sys

import psycopg

port, user, password, file = sys.argv[1:]
address = f"host=127.0.0.1 port={port} user={user} dbname=spikewatch connect_timeout=10"
with open(file, encoding="utf-8") as lines:
    statements = [line.strip() for line in lines if line.strip() and not line.startswith("--")]
failures = []
with psycopg.connect(address, password=password, autocommit=True) as connection:
    for statement in statements:
        # Some programs send text as it is, and some prepare it first.
        for prepare in (False, True):
            try:
                connection.execute(statement, prepare=prepare)
            except psycopg.Error as error:
                failures.append(f"{error}\n    {statement}")
                break
    # Whoever asks for the tables by the search path finds them.
    by_path = next(it for it in statements if "IN (SELECT CASE WHEN TRIM" in it)
    names = {name for (name,) in connection.execute(by_path)}
    if not {"usage_events", "v_key_today"} <= names:
        failures.append(f"tables of the search path: {names}")
for failure in failures:
    print(failure)
print(len(statements), len(failures))
sys.exit(bool(failures))
