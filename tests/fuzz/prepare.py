"""Fills a service for the fuzz pass: two customers, connected and synced. Writes a configuration of
schemathesis for each pass: `known-ids` and `take-apart` name things that exist, `any-ids` nothing.

    prepare.py BASE_URL DIRECTORY
"""

import json
import pathlib
import sys
import time
import urllib.error
import urllib.request

BASE, HOME = sys.argv[1], pathlib.Path(sys.argv[2])
DOCUMENTS = pathlib.Path(__file__).parents[2] / "openapi"

CHECKS = '[checks.not_a_server_error]\nexpected-statuses = ["2xx", "3xx", "4xx"]\n'


def call(method, path, customer, body=None):
    headers = {
        "x-api-key": "fuzz",
        "x-customer-id": customer,
        "x-provider-name": "apollo",
        "content-type": "application/json",
    }
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def connect(customer):
    body = {"customer_id": customer, "name": "A", "email": "a@customer.example"}
    call("PUT", "/mgmt/v2/customers", customer, body)
    body = {"provider_name": "apollo", "category": "engagement", "api_key": "sim-master-key"}
    call("POST", f"/mgmt/v2/customers/{customer}/connections", customer, body)


def wait_for_syncs(customer):
    for _ in range(120):
        syncs = call("GET", f"/mgmt/v2/syncs?customer_id={customer}", customer)["results"]
        states = [(sync["last_run"] or {}).get("state") for sync in syncs]
        if states and all(state == "succeeded" for state in states):
            return
        time.sleep(0.5)
    sys.exit(f"fuzz: the first syncs of {customer} did not end well within a minute: {states}")


def rows(answer):
    if isinstance(answer, dict):
        answer = answer.get("results") or answer.get("records") or answer.get("Resources") or []
    return answer


def known_ids(customer):
    """The parameters of paths such as /a/{a_id}: the id of the first row of the list /a."""
    ids = {"customer_id": customer, "provider_name": "apollo", "object": "contact"}
    for file in DOCUMENTS.glob("*.json"):
        document = json.loads(file.read_text())
        for path in document["paths"]:
            parent, _, last = path.rpartition("/")
            listed = document["paths"].get(parent, {}).get("get")
            if not last.startswith("{") or listed is None or "{" in parent:
                continue
            names = [parameter["name"] for parameter in listed.get("parameters", [])]
            query = "?read_from_cache=true" if "read_from_cache" in names else ""
            try:
                found = rows(call("GET", f"/{file.stem}/v2{parent}{query}", customer))
            except urllib.error.HTTPError:
                continue
            if found and "id" in found[0]:
                ids.setdefault(last.strip("{}"), found[0]["id"])
    ids["id"] = ids["contact_id"]
    return ids


def configuration(ids):
    lines = [f"{json.dumps('path.' + name)} = {json.dumps(value)}" for name, value in ids.items()]
    return "[parameters]\n" + "\n".join(lines) + "\n" + CHECKS


for customer in ["fuzz-1", "fuzz-2"]:
    connect(customer)
# The newest key is the one that the lists show first: what is taken apart is this one.
call("POST", "/mgmt/v2/api_keys", "fuzz-1", {"name": "spare", "role": "read-only"})
for customer in ["fuzz-1", "fuzz-2"]:
    wait_for_syncs(customer)
(HOME / "known-ids.toml").write_text(configuration(known_ids("fuzz-1")))
(HOME / "take-apart.toml").write_text(configuration(known_ids("fuzz-2")))
(HOME / "any-ids.toml").write_text(CHECKS)
