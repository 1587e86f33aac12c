"""An S3 server (moto) on loopback that has the archives of a folder, until SIGTERM or SIGINT.

    s3_server.py ARCHIVES EVENTS.ndjson [--port N] [--kinds good,odd,broken] [--events N]

Writes the events that announce the archives, with presigned URLs, one a line; `--events` repeats the
archives in rotation up to this number. Prints its address when it is ready.
"""

import argparse
import json
import pathlib
import signal
import threading

from moto.server import ThreadedMotoServer

import events
from bucket import Bucket


def upload(bucket, folder, entries):
    """Uploads the archives and returns a URL for each."""
    bucket.create()
    for entry in entries:
        bucket.upload(entry, (folder / entry["file"]).read_bytes())
    return {entry["name"]: bucket.url(entry) for entry in entries}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("archives", type=pathlib.Path)
    parser.add_argument("events", type=pathlib.Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--kinds", default="good,odd,broken")
    parser.add_argument("--events", type=int, dest="count", help="default: one for each archive")
    arguments = parser.parse_args()
    manifest = json.loads((arguments.archives / "manifest.json").read_text())
    kinds = arguments.kinds.split(",")
    entries = [it for it in manifest["archives"] if it["kind"] in kinds]

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=arguments.port, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    urls = upload(Bucket(address), arguments.archives, entries)
    with arguments.events.open("w") as out:
        for number in range(arguments.count or len(entries)):
            entry = entries[number % len(entries)]
            json.dump(events.event(entry, number, urls[entry["name"]]), out)
            out.write("\n")
    print(address, flush=True)
    ended.wait()
    server.stop()


if __name__ == "__main__":
    main()
