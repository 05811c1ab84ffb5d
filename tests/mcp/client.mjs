// An agent with both TypeScript SDKs: the present one, and the one before.
//
//     client.mjs ADDRESS KEY

import assert from 'node:assert/strict'
import * as present from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

const [address, key] = process.argv.slice(2)
const url = new URL('/mcp', address)

const options = (authorization) => ({ requestInit: { headers: { authorization } } })

async function check(name, client, transport) {
  await client.connect(transport)
  const { tools } = await client.listTools()
  const names = tools.map((tool) => tool.name)
  assert.ok(names.includes('records_search') && names.includes('apollo_deals_list'), names)
  assert.ok(!names.includes('apollo_tasks_create'), names)
  // The SDKs check the result against the tool's output schema.
  const found = await client.callTool({ name: 'records_search', arguments: { object: 'contact', limit: 2 } })
  assert.equal(found.structuredContent.result.records.length, 2)
  const deals = await client.callTool({ name: 'apollo_deals_list', arguments: { per_page: 1 } })
  assert.equal(deals.structuredContent.result.opportunities.length, 1)
  const wrong = await client.callTool({ name: 'records_search', arguments: { object: 'deal' } })
  assert.equal(wrong.isError, true)
  const { resources } = await client.listResources()
  assert.ok(resources.some((it) => it.uri === 'syncline://tables/sequence_state'), resources)
  await client.close()
  console.log(`${name}: passed`)
}

const info = { name: 'test', version: '1.0.0' }
await check(
  '@modelcontextprotocol/client',
  new present.Client(info),
  new present.StreamableHTTPClientTransport(url, options(`Bearer ${key}`)),
)
await check(
  '@modelcontextprotocol/sdk',
  new Client(info),
  new StreamableHTTPClientTransport(url, options(`Bearer ${key}`)),
)
await assert.rejects(
  new Client(info).connect(new StreamableHTTPClientTransport(url, options('Bearer wrong'))),
)
