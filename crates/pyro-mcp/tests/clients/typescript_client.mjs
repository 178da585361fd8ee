// The official TypeScript clients against pyro's MCP server: both generations, both eras, on pipes and over HTTP.
//
// Usage: typescript_client.mjs DIRECTORY BINARY [ARGUMENT...]; DIRECTORY has the clients in its `node_modules`.

import { existsSync, readFileSync, readdirSync } from 'node:fs';

import { check, failed, packagesOf, serveHttp } from './server.mjs';

const [directory, ...command] = process.argv.slice(2);
const load = packagesOf(directory);
// Emulated VMs start slowly; left to themselves both give a call up after a minute.
const CALL_MS = 180_000;

const GENERATIONS = [
  {
    name: 'sdk 1',
    Client: load('@modelcontextprotocol/sdk/client/index.js').Client,
    Stdio: load('@modelcontextprotocol/sdk/client/stdio.js').StdioClientTransport,
    Http: load('@modelcontextprotocol/sdk/client/streamableHttp.js').StreamableHTTPClientTransport,
    call: (client, params, options) => client.callTool(params, undefined, options),
    modes: ['legacy'],
  },
  {
    name: 'client 2',
    Client: load('@modelcontextprotocol/client').Client,
    Stdio: load('@modelcontextprotocol/client/stdio').StdioClientTransport,
    Http: load('@modelcontextprotocol/client').StreamableHTTPClientTransport,
    call: (client, params, options) => client.callTool(params, options),
    modes: ['auto', 'legacy'],
  },
];

// The VMMs among the descendants of this process.
function vms() {
  const parents = new Map();
  const found = [];
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (!existsSync(`/proc/${entry}/stat`)) continue;
    let stat;
    try {
      stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
    } catch {
      continue;
    }
    const end = stat.lastIndexOf(')');
    const [state, parent] = stat.slice(end + 2).split(' ');
    parents.set(Number(entry), Number(parent));
    const name = stat.slice(stat.indexOf('(') + 1, end);
    if (state !== 'Z' && /^(qemu|firecracker)/.test(name)) found.push(Number(entry));
  }
  const isOurs = (process_id) => {
    for (let id = process_id; id !== undefined; id = parents.get(id)) {
      if (id === process.pid) return true;
    }
    return false;
  };
  return found.filter(isOurs);
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function checks(client, call) {
  const { tools } = await client.listTools();
  check(tools.length === 1 && tools[0].name === 'vm_run', 'the list is vm_run alone', tools);

  const refused = await call(client, { name: 'vm_run', arguments: { command: 'true', foo: 1 } }, {});
  check(refused.isError && refused.content[0].text.startsWith('error unknown-argument: '), 'an unknown argument', refused);

  const progress = [];
  const onprogress = ({ message }) => progress.push(message);
  const result = await call(
    client,
    { name: 'vm_run', arguments: { command: 'git --version' } },
    { onprogress, timeout: CALL_MS },
  );
  check(!result.isError && result.content[0].text.includes('stdout:\ngit version '), 'git --version', result);
  check(progress.length >= 2, 'its progress', progress);

  const abort = new AbortController();
  let begun;
  const running = new Promise((resolve) => (begun = resolve));
  const cancelled = call(
    client,
    { name: 'vm_run', arguments: { command: 'sleep 600', timeout_seconds: 600 } },
    {
      onprogress: ({ message }) => message === 'running the command' && begun(),
      timeout: CALL_MS,
      signal: abort.signal,
    },
  ).then(
    () => false,
    () => true,
  );
  await running;
  check(vms().length > 0, 'a VM runs');
  abort.abort();
  check(await cancelled, 'a call is cancelled');
  // What the protocol allows, and some time for the process to be seen as gone.
  for (const deadline = Date.now() + 3_500; vms().length > 0 && Date.now() < deadline; ) await sleep(50);
  check(vms().length === 0, 'a cancelled call leaves no VM after 3 s', vms());
  check((await client.listTools()).tools.length === 1, 'the server goes on');
}

// A call that would be given up before its command ends, were it not for its progress.
async function checkHeld(client, call) {
  const command = 'for i in $(seq 18); do echo $i; sleep 1; done';
  const options = { onprogress: () => {}, timeout: 15_000, resetTimeoutOnProgress: true };
  const held = await call(client, { name: 'vm_run', arguments: { command } }, options);
  check(held.content[0].text.includes('\n18\n'), 'progress keeps a call of 18 s alive that may be silent for 15 s', held);
}

for (const { name, Client, Stdio, Http, call, modes } of GENERATIONS) {
  for (const mode of modes) {
    for (const transport of ['stdio', 'http']) {
      console.log(`${name}, ${mode}, ${transport}`);
      const client = new Client(
        { name: 'test', version: '0' },
        { capabilities: {}, versionNegotiation: { mode } },
      );
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
      check(client.getServerVersion().name === 'pyro', 'the server says who it is', client.getServerVersion());
      await checks(client, call);
      if (mode === modes[0] && transport === 'stdio') await checkHeld(client, call);
      await client.close();
      await server?.stop();
    }
  }
}
process.exit(failed() ? 1 : 0);
