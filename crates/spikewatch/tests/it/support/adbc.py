"""Visits Flight SQL as a program with ADBC does, and ends with an error where it is not as it should be.

adbc.py PORT USER PASSWORD REQUESTS ACCOUNT OTHER_ACCOUNT HOSTILE [CERTIFICATE]

HOSTILE is a file of statements of which none may be answered.
"""

import decimal
import sys
import time

import pyarrow
import pyarrow.compute
from adbc_driver_flightsql import DatabaseOptions, dbapi

port, user, password, requests, account, other, hostile, *certificate = sys.argv[1:]
SCHEME = "grpc+tls" if certificate else "grpc"


FAILURES = (dbapi.Error, pyarrow.ArrowException, OSError)


def connect(user=user, password=password, **more):
    options = {"username": user, "password": password} if user else {}
    if certificate:
        with open(certificate[0], encoding="utf-8") as file:
            options[DatabaseOptions.TLS_ROOT_CERTS.value] = file.read()
    return dbapi.connect(f"{SCHEME}://127.0.0.1:{port}", db_kwargs=options | more, autocommit=True)


def one(cursor, statement, parameters=None):
    cursor.execute(statement, parameters)
    return cursor.fetchone()[0]


def refused(run, *words):
    try:
        run()
    except FAILURES as error:
        text = str(error)
        assert all(word in text for word in words), (words, text)
        return
    raise AssertionError(f"not refused: {words}")


def ask(statement, **more):
    with connect(**more) as connection, connection.cursor() as cursor:
        return one(cursor, statement)


# Nobody gets in without the password, with none, under another name, or with what is no token.
for name, word in [(user, "wrong"), (user, ""), ("postgres", password), ("", "")]:
    refused(lambda: ask("SELECT 1", user=name, password=word), "UNAUTHENTICATED")
forged = {DatabaseOptions.AUTHORIZATION_HEADER.value: "Bearer 61.9999999999.00"}
refused(lambda: ask("SELECT 1", user=None, **forged), "sign in again")

with connect() as connection, connection.cursor() as cursor:
    assert one(cursor, "SELECT sum(requests) FROM usage_events") == int(requests)

    # Whole columns, with the types that they have in the lake.
    cursor.execute("SELECT * FROM usage_events")
    table = cursor.fetch_arrow_table()
    assert pyarrow.compute.sum(table["requests"]).as_py() == int(requests)
    assert isinstance(table["cost_usd"][0].as_py(), decimal.Decimal)
    assert pyarrow.types.is_decimal128(table.schema.field("cost_usd").type)
    assert str(table.schema.field("event_time").type) == "timestamp[us, tz=UTC]", table.schema
    cursor.execute("SELECT * FROM usage_events WHERE false")
    assert cursor.fetch_arrow_table().schema == table.schema

    # Parameters, and a statement that is prepared once.
    statement = "SELECT count(*) FROM usage_events WHERE account = $1 AND requests >= $2"
    for name, at_least, some in [(account, 1, True), (other, 1, True), ("' OR 1=1 --", 1, False)]:
        assert (one(cursor, statement, (name, at_least)) > 0) == some, name
    parameters = cursor.adbc_prepare(statement)
    assert [field.name for field in parameters] == ["$1", "$2"], parameters
    refused(lambda: one(cursor, statement, (account,)), "2 parameters")

    # What there is.
    info = connection.adbc_get_info()
    assert info["vendor_name"] == "Spikewatch", info
    objects = connection.adbc_get_objects(depth="all").read_all().to_pylist()
    assert [it["catalog_name"] for it in objects] == ["spikewatch"], objects
    (schema,) = objects[0]["catalog_db_schemas"]
    kinds = {it["table_name"]: it["table_type"] for it in schema["db_schema_tables"]}
    assert kinds["usage_events"] == "TABLE" and kinds["v_key_today"] == "VIEW", kinds
    assert kinds["keys"] == "TABLE", kinds
    names = connection.adbc_get_objects(depth="tables", table_name_filter="usage\\_1%").read_all()
    (schema,) = names.to_pylist()[0]["catalog_db_schemas"]
    assert sorted(it["table_name"] for it in schema["db_schema_tables"]) == ["usage_1h", "usage_1m"]
    columns = connection.adbc_get_table_schema("usage_events")
    assert columns.field("cost_usd").type == table.schema.field("cost_usd").type
    assert connection.adbc_get_table_types() == ["TABLE", "VIEW"]

    # There is only reading.
    for statement in ["DELETE FROM usage_events", "SELECT 1; SELECT 2", "SET role = 'x'", ""]:
        refused(lambda: cursor.execute(statement), "INVALID")
    refused(lambda: cursor.execute("SELECT no_such_column FROM usage_events"), "no_such_column")
    refused(lambda: cursor.adbc_ingest("usage_events", table), "")
    # It is ended for its time, and the connection is good for the next.
    endless = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
    refused(lambda: one(cursor, endless), "longer than 5 s")
    assert one(cursor, "SELECT 1") == 1

# Who is limited to an account sees no other.
with connect("limited", "only one account") as connection, connection.cursor() as cursor:
    assert one(cursor, "SELECT min(account) || max(account) FROM usage_events") == account * 2
    refused(lambda: cursor.execute("SELECT * FROM audit"), "audit")

# None of what the other wire refuses is answered here; whoever finds the gateway gone finds it
# back soon.
with open(hostile, encoding="utf-8") as lines:
    statements = [line.strip() for line in lines if line.strip() and not line.startswith("--")]
def is_answered(statement):
    began = time.monotonic()
    while True:
        try:
            connection = connect()
            break
        except dbapi.Error:
            assert time.monotonic() - began < 2, "the gateway is not back"
            time.sleep(0.05)
    answered = False
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            for _ in cursor.fetch_record_batch():
                pass
            answered = True
    except FAILURES:
        # To close what a process answered that is gone fails too.
        pass
    return answered


for statement in [] if certificate else statements:
    assert not is_answered(statement), statement
assert ask("SELECT sum(requests) FROM usage_events") == int(requests)
print("ok")
