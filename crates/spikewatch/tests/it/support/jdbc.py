"""Visits the SQL gateway through PostgreSQL's JDBC driver, as DBeaver and other Java programs do.

jdbc.py JAR PORT USER PASSWORD REQUESTS
"""

import sys

import jaydebeapi

jar, port, user, password, requests = sys.argv[1:]
connection = jaydebeapi.connect(
    "org.postgresql.Driver",
    f"jdbc:postgresql://127.0.0.1:{port}/spikewatch",
    {"user": user, "password": password},
    jar,
)
java = connection.jconn
assert java.isReadOnly() in (True, False)
cursor = connection.cursor()
cursor.execute("SELECT sum(requests) FROM usage_events")
((count,),) = cursor.fetchall()
assert int(count) == int(requests), count

# Prepared: the driver changes to binary after the fifth time.
statement = java.prepareStatement(
    "SELECT account, event_time, cost_usd, requests FROM usage_events"
    " WHERE account = ? AND requests >= ? ORDER BY event_time LIMIT 1"
)
for _ in range(7):
    statement.setString(1, "acme")
    statement.setLong(2, 1)
    rows = statement.executeQuery()
    assert rows.next()
    assert rows.getString(1) == "acme"
    assert rows.getTimestamp(2) is not None
    assert float(str(rows.getBigDecimal(3))) > 0
    assert rows.getLong(4) >= 1
    rows.close()

# What DBeaver fills its tree with.
about = java.getMetaData()
assert str(about.getDatabaseProductName()) == "PostgreSQL"


def all_of(rows, column):
    found = []
    while rows.next():
        found.append(str(rows.getString(column)))
    return found


assert "public" in all_of(about.getSchemas(), "TABLE_SCHEM")
tables = all_of(about.getTables(None, "public", "%", None), "TABLE_NAME")
assert {"usage_events", "alerts", "usage_1h", "cost_lines"} <= set(tables), tables
columns = all_of(about.getColumns(None, "public", "usage_events", "%"), "COLUMN_NAME")
assert columns[0] == "event_time" and {"key_id", "cost_usd"} <= set(columns), columns

# A refusal ends a statement, not the connection.
try:
    cursor.execute("DROP TABLE usage_events")
    raise SystemExit("not refused")
except jaydebeapi.DatabaseError as error:
    assert "DROP is not allowed" in str(error), error
cursor.execute("SELECT 1")
assert cursor.fetchall() == [(1,)]
connection.close()
print("ok")
