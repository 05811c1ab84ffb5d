"""What the clients of tests/mcp/run talk to: a customer who is connected and synced, and an agent.

    world.py ADDRESS SIMULATOR

Prints the agent's API key. `ADDRESS` is a `syncline serve` with the API key `mcp`.
"""

import json
import sys
import time
import urllib.request

ADDRESS = sys.argv[1]
GRANTS = {
    "groups": {"contacts": "read", "records": "read", "sync": "read", "deals": "full"},
    "actions": {"contacts.create": "ask", "people.enrich": "allow"},
    "customers": ["acme"],
    "credits_per_day": 1,
}


def call(method, path, body=None):
    request = urllib.request.Request(ADDRESS + path, method=method)
    request.add_header("x-api-key", "mcp")
    data = None
    if body is not None:
        request.add_header("content-type", "application/json")
        data = json.dumps(body).encode()
    with urllib.request.urlopen(request, data, timeout=30) as answer:
        return json.load(answer)


def main():
    customer = {"customer_id": "acme", "name": "Acme", "email": "a@acme.example"}
    call("PUT", "/mgmt/v2/customers", customer)
    connection = {"provider_name": "apollo", "category": "engagement", "api_key": "sim-master-key"}
    call("POST", "/mgmt/v2/customers/acme/connections", connection)
    until_synced()
    agent = {"name": "sales agent", "role": "agent", "grants": GRANTS}
    print(call("POST", "/mgmt/v2/api_keys", agent)["api_key"])


def until_synced():
    for _ in range(240):
        syncs = call("GET", "/mgmt/v2/syncs?customer_id=acme")["results"]
        if all((sync["last_run"] or {}).get("status") == "SUCCESS" for sync in syncs):
            return
        time.sleep(0.25)
    sys.exit(f"the first sync did not end: {syncs}")


if __name__ == "__main__":
    main()
