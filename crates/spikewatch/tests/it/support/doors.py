"""Stands in the doors of a gateway with two places, and ends with an error where that harms others.

doors.py POSTGRES_PORT FLIGHT_PORT USER PASSWORD SIGN_IN_TIMEOUT_SECS
"""

import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
from pyarrow import flight

postgres_port, flight_port, user, password, patience = sys.argv[1:]
patience = float(patience)


def ask():
    where = f"host=127.0.0.1 port={postgres_port} dbname=spikewatch user={user} password='{password}'"
    with psycopg.connect(where, connect_timeout=20, autocommit=True) as connection:
        return connection.execute("SELECT 1").fetchone()[0]


def sign_in(word):
    with flight.FlightClient(f"grpc://127.0.0.1:{flight_port}") as client:
        client.authenticate_basic_token(user, word)


def stand(port, said=b""):
    """Connects, says so much and no more, and returns the seconds until the other end hangs up."""
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", int(port)), timeout=patience + 20) as there:
        there.sendall(said)
        while there.recv(4096):
            pass
    return time.monotonic() - start


# One after another through either door: an idle door holds no place, and a left one is free.
for _ in range(3):
    assert ask() == 1
    sign_in(password)

# Who stands there and says nothing, or only hello, is shown out; both places are free then.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
for pair in [
    [(postgres_port, b""), (flight_port, b"")],
    [(postgres_port, SSL_REQUEST), (flight_port, PREFACE)],
]:
    with ThreadPoolExecutor(2) as pool:
        stood = [pool.submit(stand, *who) for who in pair]
        time.sleep(patience / 4)
        # The house is full; who comes now waits, and is let in.
        assert ask() == 1
        for who, waited in zip(pair, (of.result() for of in stood)):
            assert patience * 0.9 <= waited < patience + 10, (who, waited)
    sign_in(password)

# Who has signed in may take its time.
where = f"host=127.0.0.1 port={postgres_port} dbname=spikewatch user={user} password='{password}'"
with psycopg.connect(where, autocommit=True) as connection:
    time.sleep(patience + 1)
    assert connection.execute("SELECT 2").fetchone()[0] == 2

print("ok")
