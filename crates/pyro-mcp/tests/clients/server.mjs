// What the checks in JavaScript share: a server over HTTP, the packages of a directory, and their tally.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

let failures = 0;

// How many checks failed.
export const failed = () => failures;

export function check(holds, what, shown) {
  console.log(`${holds ? 'ok' : 'FAILED'}: ${what}${holds ? '' : `: ${JSON.stringify(shown)}`}`);
  failures += holds ? 0 : 1;
}

// The function that loads the packages installed in a directory.
export const packagesOf = (directory) => createRequire(`${directory}/`);

// Starts `pyro mcp serve --transport http` on a free port; says where it is and what it wants to be shown.
export async function serveHttp([program, ...words]) {
  const child = spawn(program, [...words, '--transport', 'http', '--listen', '127.0.0.1:0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  for await (const line of createInterface({ input: child.stderr })) {
    const found = /^listening on (\S+), for clients with the token in (.+)$/.exec(line);
    if (found) {
      child.stderr.resume();
      const stop = async () => {
        child.kill('SIGTERM');
        check((await ended) === 0, 'the server leaves when it is told to');
      };
      return { pid: child.pid, url: new URL(found[1]), token: readFileSync(found[2], 'ascii').trim(), stop };
    }
    console.error(line);
  }
  throw new Error('the server did not start');
}
