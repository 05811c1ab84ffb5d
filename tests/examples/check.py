"""Runs one of the backends in examples/ and compares its copy with the tables.

    check.py SYNCLINE DIRECTORY COMMAND...
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

SYNCLINE, HOME, *COMMAND = sys.argv[1:]
HOME = tempfile.mkdtemp(dir=HOME)
# More contacts than fit on a page.
CONTACTS = "1200"
COPY = os.path.join(HOME, "copy.json")
# With letters beyond ASCII, which headers have to carry.
CUSTOMER = "kunde-ä-客户"
KEY = "examples"
OBJECTS = ["user", "mailbox", "sequence", "account", "contact", "sequence_state"]
WITHIN_SECONDS = 60
children = []


def start(name, *command, **environment):
    """Starts a command whose log names its address, and waits for that."""
    log = os.path.join(HOME, f"{name}.log")
    with open(log, "a") as file:
        file.write("--\n")
        began = file.tell()
        child = subprocess.Popen(
            command, stdout=file, stderr=file, env=os.environ | environment
        )
    children.append(child)

    def address():
        with open(log) as file:
            file.seek(began)
            return re.search(r"http://127\.0\.0\.1:\d+", file.read())

    return child, until(f"{name} listens", address).group()


def stop(child):
    child.terminate()
    child.wait(30)
    children.remove(child)


def until(what, probe):
    """What the probe gives, as soon as it gives something."""
    end = time.monotonic() + WITHIN_SECONDS
    while time.monotonic() < end:
        if any(child.poll() is not None for child in children):
            sys.exit(f"a process ended: {[child.args for child in children]}")
        if found := probe():
            return found
        time.sleep(0.1)
    sys.exit(f"not within {WITHIN_SECONDS} s: {what}")


def call(method, url, body=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers |= {"x-api-key": KEY, "content-type": "application/json"}
    headers["x-customer-id"] = CUSTOMER.encode().decode("latin-1")
    headers["x-provider-name"] = "apollo"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"null")


def tables():
    """What the tables have, by object and id, without what is deleted."""
    found = {}
    for name in OBJECTS:
        plural = {"mailbox": "mailboxes"}.get(name, f"{name}s")
        url = f"{serve}/engagement/v2/{plural}?read_from_cache=true&page_size=1000"
        page = call("GET", url)
        found[name] = {record["id"]: record for record in page["records"]}
        while cursor := page["pagination"]["next"]:
            page = call("GET", f"{url}&cursor={cursor}")
            found[name] |= {record["id"]: record for record in page["records"]}
    return found


def copied(connection_id):
    try:
        with open(COPY) as file:
            records = json.load(file)["records"]
    except FileNotFoundError:
        return {}
    return {name: records.get(f"{connection_id}/{name}") for name in OBJECTS}


def trigger_and_wait():
    """Reads contacts and sequence states once more."""
    path = f"{serve}/mgmt/v2/sync-runs?object_type=common&object=contact&status=SUCCESS"
    before = call("GET", path)["total_count"]
    call("POST", f"{serve}/mgmt/v2/syncs/_trigger", {"object_type": "common", "object": "contact"})
    until("the sync is done", lambda: call("GET", path)["total_count"] > before)


def edit():
    made = call("POST", f"{apollo}/_sim/edit?contacts=60&seed=7")
    assert made["created"] and made["updated"] and made["deleted"], made


def main():
    url = f"{serve}/mgmt/v2/customers/{urllib.parse.quote(CUSTOMER)}"
    customer = {"customer_id": CUSTOMER, "name": "Å", "email": "a@customer.example"}
    call("PUT", f"{serve}/mgmt/v2/customers", customer)

    # The endpoint comes first, because the backend is started with its secret.
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    endpoint = call("POST", f"{serve}/mgmt/v2/webhook_endpoints", {"url": f"http://127.0.0.1:{port}/"})
    key = call("POST", f"{serve}/mgmt/v2/api_keys", {"name": "backend", "role": "read-only"})["api_key"]
    settings = {
        "SYNCLINE": serve, "API_KEY": key, "WEBHOOK_SECRET": endpoint["secret"],
        "PORT": port, "COPY": COPY,
    }
    backend, hooks = start("backend", *COMMAND, **settings)

    connection = {"provider_name": "apollo", "category": "engagement", "api_key": "sim-master-key"}
    connection_id = call("POST", f"{url}/connections", connection)["id"]
    # A whole first sync, told by webhooks.
    until("the first copy", lambda: copied(connection_id) == tables() and tables()["sequence_state"])

    # Changes and deletions.
    before = tables()
    edit()
    trigger_and_wait()
    until("the copy of the changes", lambda: copied(connection_id) == tables())
    assert set(before["contact"]) - set(tables()["contact"]), "nothing was deleted"

    # Nobody else is listened to.
    now = str(int(time.time()))
    forged = {"webhook_id": "1", "webhook_timestamp": now, "webhook_signature": "v1,AAAA"}
    event = {"webhook_event_type": "connection.deleted", "connection_id": connection_id}
    for headers in [forged, {}]:
        try:
            call("POST", hooks, event, **headers)
            sys.exit("a forged webhook was taken")
        except urllib.error.HTTPError as error:
            assert error.code == 401, error
    assert copied(connection_id) == tables()

    # With both secrets at work, too.
    call("POST", f"{serve}/mgmt/v2/webhook_endpoints/{endpoint['id']}/_rotate_secret")
    edit()
    trigger_and_wait()
    until("the copy after a rotation", lambda: copied(connection_id) == tables())

    # What it missed while it was away, and isn't told of either, it reads at its start.
    stop(backend)
    path = f"{serve}/mgmt/v2/webhook_endpoints/{endpoint['id']}"
    call("PATCH", path, {"enabled": False})
    edit()
    trigger_and_wait()
    assert copied(connection_id) != tables()
    backend, _ = start("backend", *COMMAND, **settings)
    until("the copy after a restart", lambda: copied(connection_id) == tables())
    call("PATCH", path, {"enabled": True})

    # And what is deleted is gone from the copy.
    call("DELETE", f"{url}/connections/apollo")
    until("the connection is forgotten", lambda: not any(copied(connection_id).values()))
    print(f"{' '.join(COMMAND[1:])}: its copy is as the tables are")


try:
    _, apollo = start("sim", SYNCLINE, "sim", "apollo", "--listen", "127.0.0.1:0", "--contacts", CONTACTS)
    _, serve = start(
        "serve", SYNCLINE, "serve", "--listen", "127.0.0.1:0", "--data-dir", os.path.join(HOME, "data"),
        SYNCLINE_API_KEY=KEY, SYNCLINE_PROVIDERS__APOLLO__BASE_URL=apollo,
        SYNCLINE_WEBHOOKS__ALLOW_PRIVATE_TARGETS="true",
    )
    main()
except BaseException:
    for name in ["serve", "backend"]:
        log = os.path.join(HOME, f"{name}.log")
        if os.path.exists(log):
            with open(log) as file:
                sys.stderr.write(f"{name}:\n{file.read()}")
    raise
finally:
    for child in children:
        child.kill()
        child.wait()
