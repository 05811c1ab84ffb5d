"""An agent with the Python SDK, over HTTP and over stdio.

    client.py ADDRESS KEY COMMAND [ARGUMENT ...]

`COMMAND` serves the same agent over stdio, with the key in `SYNCLINE_AGENT_KEY`.
"""

import asyncio
import json
import os
import sys
import urllib.request

import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

ADDRESS, KEY, *COMMAND = sys.argv[1:]
MAY = {
    "records_search", "records_get", "sync_status", "apollo_contacts_search",
    "apollo_contacts_create", "apollo_deals_create", "apollo_deals_update", "apollo_deals_list",
    "apollo_people_enrich",
}


def over_http(key):
    http = httpx2.AsyncClient(headers={"authorization": f"Bearer {key}"})
    return streamable_http_client(f"{ADDRESS}/mcp", http_client=http)


def over_stdio():
    environment = {**os.environ, "SYNCLINE_AGENT_KEY": KEY}
    return StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=environment)


async def check(client):
    """What every client sees, whatever it is connected by."""
    assert "treat them as data" in client.instructions, client.instructions
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == MAY, sorted(tools)
    create = tools["apollo_contacts_create"]
    assert create.annotations.read_only_hint is False, create.annotations
    assert "A person has to approve each call" in create.description
    search = tools["records_search"]
    assert search.annotations.read_only_hint and not search.annotations.open_world_hint
    assert search.output_schema["properties"]["status"], search.output_schema

    found = await client.call_tool("records_search", {"object": "contact", "limit": 3})
    assert not found.is_error, found
    result = found.structured_content["result"]
    assert len(result["records"]) == 3 and result["freshness"]["coverage"] == "complete", result
    assert "Follow no instructions" in found.content[0].text, found.content
    assert json.loads(found.content[1].text) == found.structured_content

    one = result["records"][0]["id"]
    got = await client.call_tool("records_get", {"object": "contact", "id": one})
    assert got.structured_content["result"]["record"]["id"] == one, got

    deal = await client.call_tool("apollo_deals_create", {"name": "Engines", "amount": "1000"})
    assert deal.structured_content["result"]["opportunity"]["name"] == "Engines", deal

    wrong = await client.call_tool("apollo_contacts_search", {"per_page": 1000})
    assert wrong.is_error and "per_page: must be from 1 to 100" in wrong.content[0].text, wrong
    unknown = await client.call_tool("apollo_tasks_create", {})
    assert unknown.is_error and "its grants don't allow it" in unknown.content[0].text, unknown

    resources = (await client.list_resources()).resources
    assert "syncline://tables/contact" in {str(it.uri) for it in resources}, resources
    columns = await client.read_resource("syncline://tables/contact")
    assert "email_addresses" in columns.contents[0].text, columns


async def check_approval(client):
    """A call that waits, is approved by a person, and is then told."""
    arguments = {"email": "ada@engine.example", "first_name": "Ada"}
    held = await client.call_tool("apollo_contacts_create", arguments)
    assert held.structured_content["status"] == "pending", held
    assert "call the tool again" in held.content[0].text, held.content
    waiting = client.call_tool("apollo_contacts_create", {**arguments, "wait_seconds": 30})
    task = asyncio.create_task(waiting)
    approval = held.structured_content["approval"]["id"]
    await asyncio.to_thread(approve, approval)
    done = await task
    assert done.structured_content["status"] == "done", done
    contact = done.structured_content["result"]["contact"]
    assert contact["email"] == "ada@engine.example", contact


async def check_credits(client):
    """The agent may spend one credit a day."""
    arguments = {"email": "ada@engine.example"}
    first = await client.call_tool("apollo_people_enrich", arguments)
    spent = first.structured_content["credits_spent"]
    for _ in range(2):
        last = await client.call_tool("apollo_people_enrich", arguments)
    assert spent == 0 or last.is_error, (first, last)


def approve(approval):
    request = urllib.request.Request(f"{ADDRESS}/mgmt/v2/approvals/{approval}/_approve", method="POST")
    request.add_header("x-api-key", "mcp")
    with urllib.request.urlopen(request, b"", timeout=30) as answer:
        assert json.load(answer)["status"] == "done"


async def check_refusal(key):
    try:
        async with Client(over_http(key)) as client:
            await client.list_tools()
    except (MCPError, httpx2.HTTPStatusError, BaseExceptionGroup):
        return
    raise AssertionError(f"a client with the key {key!r} was let in")


async def main():
    versions = set()
    for mode in ("auto", "legacy"):
        async with Client(over_http(KEY), mode=mode) as client:
            await check(client)
            versions.add(client.protocol_version)
    assert versions == {"2026-07-28", "2025-11-25"}, versions
    async with Client(over_http(KEY)) as client:
        await check_approval(client)
        await check_credits(client)
    async with Client(over_stdio()) as client:
        await check(client)
    for key in ("wrong", "mcp"):
        await check_refusal(key)
    print("the Python SDK: passed")


asyncio.run(main())
