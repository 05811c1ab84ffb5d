"""A tool that manages seats, with the clients of tests/scim/run.

    client.py ADDRESS

`ADDRESS` is a `syncline serve` with the API key `scim`.
"""

import json
import sys
import time
import urllib.request

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import SearchRequest
from scim2_tester import check_server

ADDRESS = sys.argv[1]
BASE = f"{ADDRESS}/scim/v2/customers/acme/apollo"


def call(method, path, body=None):
    headers = {
        "x-api-key": "scim",
        "x-customer-id": "acme",
        "x-provider-name": "apollo",
        "content-type": "application/json",
    }
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(ADDRESS + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def connect():
    customer = {"customer_id": "acme", "name": "Acme", "email": "a@acme.example"}
    call("PUT", "/mgmt/v2/customers", customer)
    connection = {"provider_name": "apollo", "category": "engagement", "api_key": "sim-master-key"}
    call("POST", "/mgmt/v2/customers/acme/connections", connection)
    for _ in range(240):
        syncs = call("GET", "/mgmt/v2/syncs?customer_id=acme&object_type=common&object=user")["results"]
        if all((sync["last_run"] or {}).get("status") == "SUCCESS" for sync in syncs):
            return
        time.sleep(0.25)
    sys.exit(f"scim: the first sync did not end: {syncs}")


def check_reading(client):
    """The same users as the engagement API shows, page by page, one by one and by name."""
    rows = call("GET", "/engagement/v2/users?read_from_cache=true&include_deleted_data=true&page_size=1000")["records"]
    user = client.get_resource_model("User")
    users = []
    while len(users) < len(rows):
        page = SearchRequest(start_index=len(users) + 1, count=3)
        page = client.query(user, query_parameters=page)
        assert page.total_results == len(rows), page
        users += page.resources
    assert [it.user_name for it in users] == [row["email"] for row in rows], users
    assert [it.active for it in users] == [not row["is_locked"] and not row["is_deleted"] for row in rows], users
    for one in users:
        assert client.query(user, one.id).user_name == one.user_name
        named = SearchRequest(filter=f'userName eq "{one.user_name.upper()}"')
        named = client.query(user, query_parameters=named)
        assert [it.id for it in named.resources] == [one.id], named


def check_refusals(client):
    user = client.get_resource_model("User")
    bad_filter = SearchRequest(filter="userName pr")
    refused = client.query(user, query_parameters=bad_filter, raise_scim_errors=False)
    assert (refused.status, refused.scim_type) == (400, "invalidFilter"), refused
    unknown = client.query(user, "nobody", raise_scim_errors=False)
    assert unknown.status == 404, unknown
    created = client.create(user(user_name="ada"), raise_scim_errors=False)
    assert created.status == 405, created


def check_by_tester(client):
    """All that scim2-tester checks without writing."""
    results = check_server(client, exclude_tags={"crud", "patch"})
    failed = [result for result in results if result.status.name not in ("SUCCESS", "SKIPPED")]
    assert len(results) > 10 and not failed, [(it.title, it.reason) for it in failed]


def main():
    connect()
    key = call("POST", "/mgmt/v2/api_keys", {"name": "seats", "role": "read-only"})["api_key"]
    http = Client(base_url=BASE, headers={"authorization": f"Bearer {key}"})
    client = SyncSCIMClient(http)
    client.discover()
    check_reading(client)
    check_refusals(client)
    check_by_tester(client)
    print("scim2-client and scim2-tester: passed")


main()
