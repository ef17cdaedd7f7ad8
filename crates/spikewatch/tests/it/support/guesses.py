"""Guesses passwords of Flight SQL, many at a time, and ends with an error where that is quick.

guesses.py FLIGHT_PORT USER PASSWORD
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from pyarrow import flight

port, user, password = sys.argv[1:]
GUESSES = 40


def sign_in(word):
    start = time.monotonic()
    with flight.FlightClient(f"grpc://127.0.0.1:{port}") as client:
        try:
            client.authenticate_basic_token(user, word)
            said = "in"
        except flight.FlightUnauthenticatedError:
            said = "wrong"
        except Exception as error:
            assert "too many sign in at once" in str(error), error
            said = "later"
    return said, time.monotonic() - start


with ThreadPoolExecutor(GUESSES) as pool:
    answers = list(pool.map(sign_in, [f"guess number {at}" for at in range(GUESSES)]))
refused = [seconds for said, seconds in answers if said == "wrong"]
later = [seconds for said, seconds in answers if said == "later"]
assert len(refused) + len(later) == GUESSES, answers
# Each answer takes a second, and so many are given in each.
assert refused and min(refused) >= 1.0, refused
assert later, "more than sixteen guesses were heard at once"

time.sleep(1.5)
assert sign_in(password)[0] == "in"
print("ok")
