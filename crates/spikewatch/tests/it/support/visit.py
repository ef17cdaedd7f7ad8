"""Visits the SQL gateway as analysts' programs do, and ends with an error where it is not as it should be.

visit.py PORT USER PASSWORD REQUESTS ACCOUNT OTHER_ACCOUNT
"""

import datetime
import decimal
import sys
import threading
import time

import psycopg

port, user, password, requests, account, other = sys.argv[1:]
ADDRESS = f"host=127.0.0.1 port={port} dbname=spikewatch connect_timeout=10"


def connect(user=user, password=password, **more):
    return psycopg.connect(f"{ADDRESS} user={user}", password=password, **more)


def refused(run, *words):
    try:
        run()
    except psycopg.Error as error:
        text = str(error)
        assert all(word in text for word in words), (words, text)
        return
    raise AssertionError(f"not refused: {words}")


# Nobody gets in without the password, with none, or under another name, and all hear the same.
for name, word in [(user, "wrong"), (user, ""), (user, None), ("postgres", password), ("nobody", "x")]:
    refused(lambda: connect(name, word), "password" if word is None or word == "" else "")

with connect(autocommit=True) as connection:
    # Simple and prepared, as text and in binary.
    (count,) = connection.execute("SELECT sum(requests) FROM usage_events").fetchone()
    assert count == int(requests), count
    for binary in (False, True):
        cursor = connection.cursor(binary=binary)
        cursor.execute(
            "SELECT account, event_time, cost_usd, requests, batch FROM usage_events"
            " WHERE account = %s AND event_time >= %s AND requests >= %s ORDER BY event_time LIMIT 1",
            (account, datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc), 1),
        )
        row = cursor.fetchone()
        assert row[0] == account, row
        assert isinstance(row[1], datetime.datetime) and row[1].tzinfo is not None, row
        assert isinstance(row[2], decimal.Decimal) and row[2] > 0, row
        assert isinstance(row[3], int) and row[4] is None, row
        assert [column.name for column in cursor.description][:2] == ["account", "event_time"]
    cursor = connection.execute("SELECT count(*) FROM usage_events WHERE account = %s", ("' OR 1=1 --",))
    assert cursor.fetchone() == (0,)
    statement = "SELECT count(*) FROM usage_events WHERE account = %s"
    for _ in range(3):
        assert connection.execute(statement, (account,), prepare=True).fetchone()[0] > 0
    # A message of more statements than a user may have queries at one time.
    cursor = connection.execute("; ".join(f"SELECT {number}" for number in range(6)))
    found = [cursor.fetchone()]
    while cursor.nextset():
        found.append(cursor.fetchone())
    assert found == [(number,) for number in range(6)], found
    # What drivers say when they come and go.
    connection.execute("SET application_name = 'visit'")
    connection.execute("SET TIME ZONE 'UTC'")
    assert connection.execute("SHOW transaction_isolation").fetchone() == ("repeatable read",)
    connection.execute("RESET ALL")
    connection.execute("DISCARD ALL")
    # A refusal ends a statement, not the connection.
    refused(lambda: connection.execute("DROP TABLE usage_events"), "DROP is not allowed")
    refused(lambda: connection.execute("SELECT no_such FROM alerts"), "no_such")
    refused(lambda: connection.execute("SET datafusion.execution.batch_size = 1"), "cannot be set")
    assert connection.execute("SELECT 1").fetchone() == (1,)
    # What programs look up about the server, and about types that it may have.
    version, setting, user_name, kind = connection.execute(
        "SELECT version(), current_setting('server_version_num'), current_user, to_regtype('hstore')"
    ).fetchone()
    assert version.startswith("PostgreSQL 16") and setting == "160000", (version, setting)
    assert user_name == user and kind is None, (user_name, kind)
    # A structure is JSON.
    evidence = connection.execute("SELECT evidence FROM alerts LIMIT 1")
    assert evidence.description[0].type_display == "text", evidence.description
    connection.execute("BEGIN")
    connection.execute("SAVEPOINT s")
    connection.execute("ROLLBACK TO SAVEPOINT s")
    connection.execute("COMMIT")
    names = {row[0] for row in connection.execute("SELECT table_name FROM information_schema.tables")}
    assert {"usage_events", "alerts", "incidents", "v_usage_latest"} <= names, names

# In a transaction, of which there is nothing to commit.
with connect() as connection:
    assert connection.execute("SELECT 1").fetchone() == (1,)
    connection.commit()
    assert connection.execute("SELECT 2").fetchone() == (2,)
    connection.rollback()

# A query that is cancelled ends at once, and its connection goes on.
with connect(autocommit=True) as connection:
    timer = threading.Timer(0.5, connection.cancel_safe)
    began = time.monotonic()
    timer.start()
    refused(lambda: connection.execute("SELECT count(*) FROM generate_series(1, 1000000000000)"), "cancel")
    assert time.monotonic() - began < 5
    assert connection.execute("SELECT 3").fetchone() == (3,)

# Who is limited to an account sees nothing of others, however it is asked.
with connect("limited", "only one account", autocommit=True) as connection:
    for question in [
        "SELECT DISTINCT account FROM usage_events",
        f"SELECT DISTINCT account FROM usage_events WHERE account = '{other}' OR true",
        "SELECT DISTINCT a.account FROM usage_events a JOIN v_usage_latest b ON a.event_id = b.event_id",
        "SELECT DISTINCT account FROM public.usage_events",
        "SELECT DISTINCT account FROM spikewatch.public.v_usage_latest",
        "WITH usage AS (SELECT * FROM usage_events) SELECT DISTINCT account FROM usage",
        f"SELECT '{account}' WHERE (SELECT count(*) FROM usage_events WHERE account = '{other}') = 0",
    ]:
        assert connection.execute(question).fetchall() == [(account,)], question
    assert connection.execute("SELECT count(*) FROM incidents WHERE account <> %s", (account,)).fetchone() == (0,)
    # Nor do errors tell what is in rows of others: a condition is asked of one's own rows only.
    for leak in [
        f"1 / (CASE WHEN account = '{other}' THEN 0 ELSE 1 END) = 1",
        f"CASE WHEN account = '{other}' THEN CAST(event_id AS int) ELSE 1 END = 1",
    ]:
        question = f"SELECT DISTINCT account FROM usage_events WHERE {leak}"
        assert connection.execute(question).fetchall() == [(account,)], question
        question = f"SELECT DISTINCT account FROM v_usage_latest WHERE {leak}"
        assert connection.execute(question).fetchall() == [(account,)], question
    refused(lambda: connection.execute("EXPLAIN ANALYZE SELECT * FROM usage_events"), "explained")
    for table in ("audit", "dead_letters"):
        refused(lambda: connection.execute(f"SELECT * FROM {table}"), "not found")
print("ok")
