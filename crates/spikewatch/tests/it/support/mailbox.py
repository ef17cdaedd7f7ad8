"""A mail server on loopback that keeps what it is sent.

    mailbox.py FOLDER

Prints its port, then writes each message to FOLDER/N.json: sender, recipients, subject, headers, and
the text and the HTML part as a mail program would show them. It ends when its stdin does.
"""

import asyncio
import email
import email.policy
import json
import os
import sys

from aiosmtpd.smtp import SMTP


class Keep:
    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)

        def part(kind):
            found = message.get_body((kind,))
            return found.get_content() if found else None

        kept = {
            "sender": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "subject": message["subject"],
            "content_type": message.get_content_type(),
            "headers": [[name, str(value)] for name, value in message.items()],
            "text": part("plain"),
            "html": part("html"),
        }
        self.count += 1
        path = os.path.join(self.folder, f"{self.count}.json")
        with open(path + ".new", "w") as out:
            json.dump(kept, out)
        os.rename(path + ".new", path)
        return "250 2.0.0 kept"


async def main():
    loop = asyncio.get_running_loop()
    keep = Keep(sys.argv[1])
    server = await loop.create_server(lambda: SMTP(keep, loop=loop), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    os._exit(0)


asyncio.run(main())
