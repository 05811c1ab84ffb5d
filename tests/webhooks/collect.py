"""Lets a service send webhooks, and writes down what arrives, with what its verification must say.

    collect.py BASE_URL FILE

The file is a JSON list of {name, secret, headers, body, genuine}.
"""

import json
import queue
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

BASE, FILE = sys.argv[1], sys.argv[2]
WITHIN_SECONDS = 60
arrived = queue.Queue()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        arrived.put({"headers": headers, "body": body})
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def call(method, path, body=None):
    headers = {"x-api-key": "webhooks", "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def case(name, secret, received, genuine, **changed):
    return {"name": name, "secret": secret, "genuine": genuine} | received | changed


server = HTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"
endpoint = call("POST", "/mgmt/v2/webhook_endpoints", {"url": url})
first = endpoint["secret"]

# Words in several scripts: what is signed are bytes.
customer = {"customer_id": "kunde-ä-客户", "name": "Å", "email": "a@customer.example"}
call("PUT", "/mgmt/v2/customers", customer)
connection = {"provider_name": "apollo", "category": "engagement", "api_key": "sim-master-key"}
path = "/mgmt/v2/customers/kunde-%C3%A4-%E5%AE%A2%E6%88%B7/connections"
call("POST", path, connection)
cases = []
# The connection, and the first run of each of its six syncs.
for _ in range(7):
    received = arrived.get(timeout=WITHIN_SECONDS)
    event = json.loads(received["body"])["webhook_event_type"]
    cases.append(case(event, first, received, True))

received = {key: cases[0][key] for key in ("headers", "body")}
cases.append(case("a body that was changed", first, received, False, body=received["body"] + " "))
someone = "whsec_b3RoZXIgc2VjcmV0IG9mIHNvbWVib2R5IGVsc2U="
cases.append(case("a secret of somebody else", someone, received, False))

# A replay has the same id, and a timestamp of its own.
message = received["headers"]["webhook-id"]
call("POST", f"/mgmt/v2/webhook_messages/{message}/_replay")
replayed = arrived.get(timeout=WITHIN_SECONDS)
assert replayed["headers"]["webhook-id"] == message
cases.append(case("a replay", first, replayed, True))

second = call("POST", f"/mgmt/v2/webhook_endpoints/{endpoint['id']}/_rotate_secret")["secret"]
call("POST", f"/mgmt/v2/webhook_endpoints/{endpoint['id']}/_test")
received = arrived.get(timeout=WITHIN_SECONDS)
cases.append(case("after a rotation, by the new secret", second, received, True))
cases.append(case("after a rotation, by the old secret", first, received, True))
cases.append(case("after a rotation, by somebody else's", someone, received, False))

with open(FILE, "w") as file:
    json.dump(cases, file)
