"""A backend that keeps a copy of what Syncline has synced.

It is told by signed webhooks that a sync is done, reads what changed since it last looked, and keeps it
in a JSON file. Put your own database where the file is. Needs Python 3.10 or newer and nothing else.

    API_KEY=… WEBHOOK_SECRET=whsec_… python3 backend.py
"""

import base64
import hashlib
import hmac
import json
import os
import queue
import threading
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BASE = os.environ.get("SYNCLINE", "http://127.0.0.1:8080")
KEY = os.environ["API_KEY"]
SECRET = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
PORT = int(os.environ.get("PORT", "4001"))
FILE = os.environ.get("COPY", "copy.json")

PATHS = {
    "user": "users",
    "mailbox": "mailboxes",
    "sequence": "sequences",
    "account": "accounts",
    "contact": "contacts",
    "sequence_state": "sequence_states",
}
MOST_BYTES = 1_000_000
TOLERANCE_SECONDS = 5 * 60


def is_genuine(headers, body):
    """Whether the request is signed with our secret, and was signed just now."""
    message_id, sent_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not sent_at.isdecimal() or abs(time.time() - int(sent_at)) > TOLERANCE_SECONDS:
        return False
    signed = f"{message_id}.{sent_at}.".encode() + body
    ours = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    # There are two while the secret is being changed.
    theirs = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(one.encode(), f"v1,{ours}".encode()) for one in theirs)


def get(path, query, connection=None):
    headers = {"x-api-key": KEY}
    if connection:
        # UTF-8, for which http.client wants Latin-1.
        headers["x-customer-id"] = connection["customer_id"].encode().decode("latin-1")
        headers["x-provider-name"] = connection["provider_name"]
    url = f"{BASE}{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
        return json.load(answer)


class Copy:
    """`since` has the greatest stamp that was read, and `records` the records, by connection and object."""

    def __init__(self):
        try:
            with open(FILE) as file:
                self.data = json.load(file)
        except FileNotFoundError:
            self.data = {"since": {}, "records": {}}

    def save(self):
        with open(FILE + ".new", "w") as file:
            json.dump(self.data, file)
        os.replace(FILE + ".new", FILE)

    def read_changes(self, connection, name):
        """Every page of what changed since the last time, deleted records included."""
        key = f"{connection['connection_id']}/{name}"
        records = self.data["records"].setdefault(key, {})
        since = self.data["since"].get(key, "1970-01-01T00:00:00.000Z")
        query = {"read_from_cache": "true", "page_size": "1000", "modified_after": since}
        changed = 0
        while True:
            page = get(f"/engagement/v2/{PATHS[name]}", query, connection)
            for record in page["records"]:
                changed += 1
                since = max(since, record["last_modified_at"])
                if record["is_deleted"]:
                    records.pop(record["id"], None)
                else:
                    records[record["id"]] = record
            if not page["pagination"]["next"]:
                break
            query["cursor"] = page["pagination"]["next"]
        # Only now: if this fails half-way, the same changes are read again, which does no harm.
        self.data["since"][key] = since
        self.save()
        print(f"{connection['customer_id']}: {changed} changes of {PATHS[name]}", flush=True)

    def forget(self, connection_id):
        for part in self.data.values():
            for key in [key for key in part if key.startswith(f"{connection_id}/")]:
                del part[key]
        self.save()

    def catch_up(self):
        """Reads whatever changed while this was not running."""
        query = {"page_size": "1000"}
        while True:
            page = get("/mgmt/v2/syncs", query)
            for sync in page["results"]:
                self.read_changes(sync, sync["object"])
            if not page["next"]:
                return
            query["cursor"] = page["next"]

    def handle(self, event):
        kind = event["webhook_event_type"]
        if kind == "sync.complete" and event["result"] == "SUCCESS":
            self.read_changes(event, event["object"])
        elif kind == "connection.deleted":
            self.forget(event["connection_id"])


def work(events):
    """One event after the other, so that no two write the copy at once."""
    copy = Copy()
    attempt("catching up", copy.catch_up)
    while True:
        event = events.get()
        attempt(event["webhook_event_type"], lambda: copy.handle(event))


def attempt(what, step):
    try:
        step()
    except Exception as error:
        # Nothing is lost: the next event of the same object reads from the same stamp.
        print(f"{what}: {error}", flush=True)


class Hooks(BaseHTTPRequestHandler):
    events = queue.Queue()
    timeout = 15

    def do_POST(self):
        length = int(self.headers.get("content-length") or 0)
        if length > MOST_BYTES:
            return self.answer(413)
        body = self.rfile.read(length)
        if not is_genuine(self.headers, body):
            return self.answer(401)
        # An answer at once; the work is done afterwards. The same event may come twice: reading the
        # changes twice does no harm, so its id needn't be kept here.
        self.events.put(json.loads(body))
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Hooks)
    threading.Thread(target=work, args=(Hooks.events,), daemon=True).start()
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
