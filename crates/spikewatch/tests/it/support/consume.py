"""Prints every record of a topic, from its beginning to its end, one JSON object a line.

    consume.py --brokers ADDRESS --topic NAME
"""

import argparse
import json
import sys
import time

from confluent_kafka import Consumer, TopicPartition


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    args = parser.parse_args()
    consumer = Consumer(
        {
            "bootstrap.servers": args.brokers,
            "group.id": "consume-py",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    found = consumer.list_topics(args.topic, timeout=10).topics[args.topic]
    left = {}
    for number in found.partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(args.topic, number), timeout=10)
        if high > low:
            left[number] = high
    consumer.assign([TopicPartition(args.topic, number, 0) for number in left])
    deadline = time.monotonic() + 60
    while left:
        if time.monotonic() > deadline:
            sys.exit(f"the end was not reached: {left}")
        message = consumer.poll(0.2)
        if message is None:
            continue
        if message.error():
            sys.exit(str(message.error()))
        key, value = message.key(), message.value()
        line = {
            "partition": message.partition(),
            "offset": message.offset(),
            "key": key and key.decode(),
            "value": value and value.decode(),
        }
        print(json.dumps(line))
        if message.offset() + 1 >= left.get(message.partition(), 0):
            left.pop(message.partition(), None)
    consumer.close()


main()
