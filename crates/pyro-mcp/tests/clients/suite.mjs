// What the runs of the official conformance suite share: a proxy that adds the token, which the suite cannot send, and one
// scenario with the checks that it made.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// The program of the suite in a directory of packages.
export const suiteOf = (directory) => join(directory, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');

// Starts a proxy on loopback that leaves the rest of the requests as it is.
export function proxy({ url, token }) {
  const server = http.createServer((request, response) => {
    const headers = { ...request.headers, authorization: `Bearer ${token}` };
    const options = { host: url.hostname, port: url.port, path: request.url, method: request.method, headers };
    const onward = http.request(options, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

// Runs a scenario; returns its checks.
export async function checksOf(suite, address, version, name) {
  const output = mkdtempSync(join(tmpdir(), 'conformance-'));
  const words = ['server', '--url', address, '--spec-version', version, '--scenario', name, '-o', output];
  const child = spawn(process.execPath, [suite, ...words], { stdio: 'ignore' });
  await new Promise((resolve) => child.once('exit', resolve));
  const results = readdirSync(output).map((directory) => join(output, directory, 'checks.json'));
  const checks = results.flatMap((file) => JSON.parse(readFileSync(file, 'utf8')));
  rmSync(output, { recursive: true });
  return checks;
}
