"""Writes the lines of a file to a Kafka topic, as another program than Spikewatch does.

    produce.py --brokers ADDRESS --topic NAME --partitions N [--encoded] [--positions OUT] FILE

Each line is one record: its bytes are the value, its field `key` (if it has one) the record's key.
With --encoded a line is {"key": TEXT or null, "base64": VALUE} instead, for values that are no lines.
The topic is made if there is none. Every record is acknowledged by all replicas (acks=all), and the
log's own end offsets must have grown by as much as was sent: the file is written whole or the
program fails. --positions gets one line a record, in order: partition, blank, offset.
"""

import argparse
import base64
import json
import sys
import time

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition, Consumer
from confluent_kafka.admin import AdminClient, NewTopic


def records(path, encoded):
    with open(path, "rb") as lines:
        for line in lines:
            line = line.rstrip(b"\n")
            if encoded:
                record = json.loads(line)
                yield record["key"], base64.b64decode(record["base64"])
            else:
                yield json.loads(line).get("key"), line


def make_topic(admin, topic, partitions):
    outcome = admin.create_topics([NewTopic(topic, partitions, 1)])[topic]
    try:
        outcome.result(30)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = admin.list_topics(topic, timeout=10).topics[topic]
        if found.error is None and len(found.partitions) == partitions:
            return
        time.sleep(0.05)
    sys.exit(f"topic {topic} did not get {partitions} partitions")


def ends(brokers, topic, partitions):
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "produce-py-ends"})
    try:
        places = [TopicPartition(topic, number) for number in range(partitions)]
        return sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)
    finally:
        consumer.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--partitions", type=int, required=True)
    parser.add_argument("--encoded", action="store_true")
    parser.add_argument("--positions")
    parser.add_argument("file")
    args = parser.parse_args()

    make_topic(AdminClient({"bootstrap.servers": args.brokers}), args.topic, args.partitions)
    before = ends(args.brokers, args.topic, args.partitions)
    producer = Producer(
        {
            "bootstrap.servers": args.brokers,
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 20,
            "message.max.bytes": 4_000_000,
            # librdkafka hashes as its own clients do; ours reads whatever the partition.
            "partitioner": "murmur2_random",
        }
    )
    places, failed, sent = {}, [], 0

    def delivered(number):
        def note(error, message):
            if error is None:
                places[number] = (message.partition(), message.offset())
            else:
                failed.append(str(error))

        return note

    for number, (key, value) in enumerate(records(args.file, args.encoded)):
        sent += 1
        while True:
            try:
                producer.produce(args.topic, value, key, on_delivery=delivered(number))
                break
            except BufferError:
                producer.poll(0.05)
        producer.poll(0)
    left = producer.flush(60)
    if left or failed or len(places) != sent:
        sys.exit(f"{sent} sent, {len(places)} acknowledged, {left} left, failed: {failed[:3]}")
    grown = ends(args.brokers, args.topic, args.partitions) - before
    if grown != sent:
        sys.exit(f"{sent} sent, but the log has grown by {grown}")
    if args.positions:
        with open(args.positions, "w") as out:
            for number in range(sent):
                out.write("%d %d\n" % places[number])
    print(sent)


main()
