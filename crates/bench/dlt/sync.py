"""Contacts and their sequence states, from the simulator into PostgreSQL with dlt: what somebody would
write instead of running a service. Arguments: the simulator's URL, the database's, and a directory for
what dlt remembers. Prints what it took as JSON.
"""

import json
import os
import resource
import sys
import time

# Nothing is reported to anybody.
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

import dlt
from dlt.sources.helpers import requests

KEY = "sim-master-key"
base_url, database_url, home = sys.argv[1:4]


@dlt.resource(write_disposition="merge", primary_key="id", max_table_nesting=0)
def contacts():
    page = 1
    while True:
        answer = requests.post(
            f"{base_url}/api/v1/contacts/search",
            json={"page": page, "per_page": 100},
            headers={"x-api-key": KEY},
        ).json()
        yield answer["contacts"]
        if page >= answer["pagination"]["total_pages"]:
            return
        page += 1


@dlt.transformer(
    data_from=contacts, write_disposition="merge", primary_key="id", max_table_nesting=0
)
def sequence_states(page):
    for contact in page:
        for state in contact["contact_campaign_statuses"]:
            # Apollo repeats the ids of states across contacts.
            yield state | {"id": f"{contact['id']}.{state['id']}", "contact_id": contact["id"]}


@dlt.source
def apollo():
    read = contacts()
    return read, read | sequence_states


def main():
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=home,
        destination=dlt.destinations.postgres(database_url),
        dataset_name="dlt",
    )
    began = time.monotonic()
    pipeline.run(apollo())
    seconds = time.monotonic() - began
    rows = pipeline.last_trace.last_normalize_info.row_counts
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "contacts": rows["contacts"],
                "states": rows["sequence_states"],
                "cpu_seconds": used.ru_utime + used.ru_stime,
            }
        )
    )


main()
