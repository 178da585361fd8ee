// Every scenario that the official conformance suite requires of a server, in both revisions, against a server that has what
// the suite asks for.
//
// Usage: conformance_required.mjs DIRECTORY URL TOKEN; DIRECTORY has the suite in its `node_modules`.

import { execFileSync } from 'node:child_process';

import { check, failed } from './server.mjs';
import { checksOf, proxy, suiteOf } from './suite.mjs';

// Scenarios of which a check may fail, each with the reason. Whatever else fails is a fault.
const NO_LOGGING = 'pyro logs to stderr, and does not declare logging';
const ASKS_NOTHING = 'pyro asks nothing of clients: no sampling, no elicitation, no input that is required';
const NO_SUBSCRIPTIONS = 'lists and resources are not watched, so there is nothing to subscribe to';
const NO_DIAGNOSTICS = 'the tool would have pyro ask clients for something, or log to them';
const EXPECTED = {
  '2025-11-25': {
    'logging-set-level': { 'logging-set-level': NO_LOGGING },
    'tools-call-with-logging': { 'tools-call-with-logging': NO_LOGGING },
    'tools-call-sampling': { 'tools-call-sampling': ASKS_NOTHING },
    'tools-call-elicitation': { 'tools-call-elicitation': ASKS_NOTHING },
    'elicitation-sep1034-defaults': { 'elicitation-sep1034-general': ASKS_NOTHING },
    'elicitation-sep1330-enums': { 'elicitation-sep1330-general': ASKS_NOTHING },
    'resources-subscribe': { 'resources-subscribe': NO_SUBSCRIPTIONS },
    'resources-unsubscribe': { 'resources-unsubscribe': NO_SUBSCRIPTIONS },
  },
  '2026-07-28': {
    'server-stateless': {
      'sep-2575-server-rejects-undeclared-capability': NO_DIAGNOSTICS,
      'sep-2575-missing-capability-http-400': NO_DIAGNOSTICS,
      'sep-2575-http-server-no-independent-requests-on-stream': NO_DIAGNOSTICS,
      'sep-2575-server-no-log-without-loglevel': NO_DIAGNOSTICS,
      'sep-2575-server-sends-subscription-ack': NO_SUBSCRIPTIONS,
      'sep-2575-server-tags-subscription-id': NO_SUBSCRIPTIONS,
      'sep-2575-server-honors-notification-filter': NO_SUBSCRIPTIONS,
      'sep-2575-server-sends-prompts-list-changed-on-subscription': NO_SUBSCRIPTIONS,
      'sep-2575-server-sends-tools-list-changed-on-subscription': NO_SUBSCRIPTIONS,
    },
    'input-required-result-basic-elicitation': { 'sep-2322-elicitation-incomplete': ASKS_NOTHING },
    'input-required-result-basic-sampling': { 'sep-2322-sampling-incomplete': ASKS_NOTHING },
    'input-required-result-basic-list-roots': { 'sep-2322-list-roots-incomplete': ASKS_NOTHING },
    'input-required-result-request-state': { 'sep-2322-request-state-incomplete': ASKS_NOTHING },
    'input-required-result-multiple-input-requests': { 'sep-2322-multiple-inputs-incomplete': ASKS_NOTHING },
    'input-required-result-multi-round': { 'sep-2322-multi-round-r1': ASKS_NOTHING },
    'input-required-result-missing-input-response': { 'sep-2322-missing-response-rerequests': ASKS_NOTHING },
    'input-required-result-non-tool-request': { 'sep-2322-non-tool-incomplete': ASKS_NOTHING },
    'input-required-result-result-type': { 'sep-2322-result-type-included': ASKS_NOTHING },
    'input-required-result-tampered-state': { 'sep-2322-reject-tampered-state': ASKS_NOTHING },
    'input-required-result-capability-check': { 'sep-2322-respect-client-capabilities': ASKS_NOTHING },
    'input-required-result-ignore-extra-params': { 'sep-2322-ignore-unexpected-params': ASKS_NOTHING },
  },
};

// How many scenarios run at once; most of their time is that of starting Node.
const AT_ONCE = 3;

const [directory, url, token] = process.argv.slice(2);
const suite = suiteOf(directory);
const between = await proxy({ url: new URL(url), token });
const address = `http://127.0.0.1:${between.address().port}${new URL(url).pathname}`;

// The names below the heading of scenarios for servers.
function required(version) {
  const told = execFileSync(process.execPath, [suite, 'list', '--requirements', version], { encoding: 'utf8' });
  const [, listed] = told.split('Server scenarios');
  const [own] = listed.split('Client scenarios');
  return [...own.matchAll(/^ {2}- (\S+)$/gm)].map(([, name]) => name);
}

function judge(version, name, checks) {
  const other = checks.filter(({ status }) => !['SUCCESS', 'INFO'].includes(status));
  const expected = EXPECTED[version][name] ?? {};
  check(checks.length > 0, `${version} ${name}: ${checks.length} checks`);
  const unexpected = other.filter(({ id }) => !(id in expected));
  check(unexpected.length === 0, `${version} ${name}: all pass but ${other.length}`, unexpected);
  for (const { id, status } of other.filter(({ id }) => id in expected)) {
    console.log(`  ${status} ${id}: ${expected[id]}`);
  }
  const stale = Object.keys(expected).filter((id) => !other.some((one) => one.id === id));
  check(stale.length === 0, `${version} ${name}: nothing passes that is expected to fail`, stale);
}

const scenarios = Object.keys(EXPECTED).flatMap((version) => required(version).map((name) => [version, name]));
let ran = 0;
async function worker(waiting) {
  for (const [version, name] of waiting) {
    judge(version, name, await checksOf(suite, address, version, name));
    ran += 1;
  }
}
const waiting = scenarios.values();
await Promise.all(Array.from({ length: AT_ONCE }, () => worker(waiting)));
console.log(`ok: ${ran} required scenarios ran`);
between.close();
between.closeAllConnections();
process.exit(failed() ? 1 : 0);
