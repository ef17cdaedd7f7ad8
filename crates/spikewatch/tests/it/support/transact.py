"""Writes the lines of a file to a topic in transactions, aborted ones between them and last.

    transact.py --brokers ADDRESS --topic NAME --partitions N FILE

The lines go round the partitions. The last records of every partition are a transaction that was
aborted and its marker: whoever reads only what was committed never sees a record at the very end.
Prints how many lines were committed.
"""

import argparse

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--partitions", type=int, required=True)
    parser.add_argument("file")
    args = parser.parse_args()
    admin = AdminClient({"bootstrap.servers": args.brokers})
    admin.create_topics([NewTopic(args.topic, args.partitions, 1)])[args.topic].result(30)
    producer = Producer({"bootstrap.servers": args.brokers, "transactional.id": "transact-py"})
    producer.init_transactions(30)
    with open(args.file, "rb") as file:
        lines = [line.rstrip(b"\n") for line in file]
    half = len(lines) // 2
    for part, commit in (
        (lines[:half], True),
        (lines[:10], False),
        (lines[half:], True),
        (lines[:10], False),
    ):
        producer.begin_transaction()
        for number, line in enumerate(part):
            # What is aborted would be told apart by its id, were it ever read.
            value = line if commit else line.replace(b'"id":"', b'"id":"aborted-')
            producer.produce(args.topic, value, partition=number % args.partitions)
        if commit:
            producer.commit_transaction(30)
        else:
            producer.flush(30)
            producer.abort_transaction(30)
    print(len(lines))


main()
