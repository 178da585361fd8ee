// What both generations of the official TypeScript client do with pyro's MCP server: a line of JSON for each transport and
// era. The programs in both languages print the same fields; a test makes one table of them.
//
// Usage: matrix.mjs DIRECTORY BINARY [ARGUMENT...]; DIRECTORY has the clients in its `node_modules`.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { failed, packagesOf, serveHttp } from './server.mjs';

const [directory, ...command] = process.argv.slice(2);
const load = packagesOf(directory);
const CALL_MS = 180_000;

const GENERATIONS = [
  {
    name: '@modelcontextprotocol/sdk',
    Client: load('@modelcontextprotocol/sdk/client/index.js').Client,
    Stdio: load('@modelcontextprotocol/sdk/client/stdio.js').StdioClientTransport,
    Http: load('@modelcontextprotocol/sdk/client/streamableHttp.js').StreamableHTTPClientTransport,
    call: (client, params, options) => client.callTool(params, undefined, options),
    // It does not say; the server speaks the newest that it knows.
    revision: () => load('@modelcontextprotocol/sdk/types.js').LATEST_PROTOCOL_VERSION,
    modes: ['legacy'],
  },
  {
    name: '@modelcontextprotocol/client',
    Client: load('@modelcontextprotocol/client').Client,
    Stdio: load('@modelcontextprotocol/client/stdio').StdioClientTransport,
    Http: load('@modelcontextprotocol/client').StreamableHTTPClientTransport,
    call: (client, params, options) => client.callTool(params, options),
    revision: (client) => client.getNegotiatedProtocolVersion(),
    modes: ['legacy', 'auto'],
  },
];

const versionOf = (name) =>
  JSON.parse(readFileSync(join(directory, 'node_modules', name, 'package.json'), 'utf8')).version;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// The checks, by the names of their columns. `call` calls a tool for the workspace `a`.
const CHECKS = {
  list: async (_call, client) => {
    const tools = (await client.listTools()).tools.map(({ name }) => name);
    return tools.length === 16 && tools.includes('workspace_exec');
  },
  call: async (call) => {
    const { isError, content } = await call('workspace_exec', { command: 'echo one; exit 3' });
    return !isError && content[0].text.startsWith('exit 3 in ') && content[0].text.includes('\nstdout:\none\n');
  },
  progress: async (call) => {
    const messages = [];
    const onprogress = ({ message }) => messages.push(message);
    await call('workspace_exec', { command: 'echo two; sleep 6' }, { onprogress });
    return messages.includes('running the command') && messages.includes('two');
  },
  cancel: async (call) => {
    const abort = new AbortController();
    let begun;
    const running = new Promise((resolve) => (begun = resolve));
    const onprogress = ({ message }) => message === 'running the command' && begun();
    const limits = { timeout_seconds: 600, wait_seconds: 600 };
    const options = { onprogress, signal: abort.signal };
    call('workspace_exec', { command: 'sleep 600', ...limits }, options).catch(() => {});
    await running;
    abort.abort();
    for (const deadline = Date.now() + CALL_MS; Date.now() < deadline; await sleep(100)) {
      const { structuredContent } = await call('workspace_status', {});
      if (structuredContent.last_command.outcome === 'cancelled') return true;
    }
    return false;
  },
  long: async (call) => {
    const begun = (await call('workspace_exec', { command: 'sleep 3; echo end', wait_seconds: 1 })).content[0].text;
    const sequence = Number(/ #(\d+) /.exec(begun)[1]);
    const ended = (await call('workspace_logs', { sequence, wait_seconds: CALL_MS / 1000 })).content[0].text;
    const left = (await call('vm_run', { command: 'sleep 9; echo end', wait_seconds: 1 })).content[0].text;
    const vm_id = /vm_run vm_id=(\w+)/.exec(left)[1];
    const run = (await call('vm_run', { vm_id, wait_seconds: CALL_MS / 1000 })).content[0].text;
    return begun.startsWith('still running after ') && ended.includes('\nend\n') && run.includes('\nend\n');
  },
};

async function row({ name, Client, Stdio, Http, call, revision }, mode, transport) {
  const client = new Client({ name: 'test', version: '0' }, { capabilities: {}, versionNegotiation: { mode } });
  let server;
  if (transport === 'http') {
    server = await serveHttp(command);
    const headers = { Authorization: `Bearer ${server.token}` };
    await client.connect(new Http(server.url, { requestInit: { headers } }));
  } else {
    // Only a few variables of its own choice are handed on unless it is told otherwise.
    const [program, ...args] = command;
    await client.connect(new Stdio({ command: program, args, env: process.env, stderr: 'inherit' }));
  }
  const tool = (tool, args, options = {}) =>
    call(
      client,
      { name: tool, arguments: tool === 'vm_run' ? args : { workspace_id: 'a', ...args } },
      { timeout: CALL_MS, ...options },
    );
  await call(client, { name: 'workspace_create', arguments: { name: 'a' } }, { timeout: CALL_MS });
  const found = { client: `TypeScript \`${name}\` ${versionOf(name)}`, transport, revision: revision(client) };
  for (const [column, holds] of Object.entries(CHECKS)) found[column] = (await holds(tool, client)) ? 'yes' : 'no';
  await tool('workspace_delete', {});
  await client.close();
  await server?.stop();
  return found;
}

for (const generation of GENERATIONS) {
  for (const transport of ['stdio', 'http']) {
    for (const mode of generation.modes) console.log(JSON.stringify(await row(generation, mode, transport)));
  }
}
process.exit(failed() ? 1 : 0);
