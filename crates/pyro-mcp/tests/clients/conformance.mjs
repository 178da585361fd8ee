// The official conformance suite against pyro's own server, over HTTP: what of it needs no tools made for the suite.
//
// Usage: conformance.mjs DIRECTORY BINARY [ARGUMENT...]; DIRECTORY has the suite in its `node_modules`.

import { check, failed, serveHttp } from './server.mjs';
import { checksOf, proxy, suiteOf } from './suite.mjs';

// Why a check cannot pass, for those that do not.
const NO_PROMPTS = 'pyro has no prompts, and does not declare them';
const NONE_LISTED = 'no resource is listed, for a list would be of all workspaces, so there is none to read';
const NO_FIXTURES = 'needs a diagnostic tool of the suite';
const NO_SUBSCRIPTIONS = 'lists never change while a server runs, so there is nothing to subscribe to';
const EXPECTED = {
  'sep-2549-prompts-list-caching-hints': NO_PROMPTS,
  'sep-2549-resources-read-caching-hints': NONE_LISTED,
  'sep-2575-server-rejects-undeclared-capability': NO_FIXTURES,
  'sep-2575-missing-capability-http-400': NO_FIXTURES,
  'sep-2575-http-server-no-independent-requests-on-stream': NO_FIXTURES,
  'sep-2575-server-no-log-without-loglevel': NO_FIXTURES,
  'sep-2575-server-sends-subscription-ack': NO_SUBSCRIPTIONS,
  'sep-2575-server-tags-subscription-id': NO_SUBSCRIPTIONS,
  'sep-2575-server-honors-notification-filter': NO_SUBSCRIPTIONS,
  'sep-2575-server-sends-prompts-list-changed-on-subscription': NO_SUBSCRIPTIONS,
  'sep-2575-server-sends-tools-list-changed-on-subscription': NO_SUBSCRIPTIONS,
};

// For each revision its scenarios that concern a server with tools alone, with the least number of checks in each.
const SCENARIOS = {
  '2025-11-25': {
    'server-initialize': 3,
    'server-session-lifecycle': 3,
    ping: 2,
    'tools-list': 3,
    'server-sse-multiple-streams': 2,
    'dns-rebinding-protection': 2,
  },
  '2026-07-28': {
    'server-stateless': 25,
    'tools-list': 4,
    'server-sse-multiple-streams': 2,
    'dns-rebinding-protection': 2,
    'http-header-validation': 14,
    caching: 7,
  },
};

async function scenario(suite, address, version, name, least) {
  const checks = await checksOf(suite, address, version, name);
  const other = checks.filter(({ status }) => status !== 'SUCCESS');
  const isExpected = ({ id, errorMessage }) =>
    id in EXPECTED && (EXPECTED[id] !== NO_FIXTURES || errorMessage.startsWith('Not testable'));
  const unexpected = other.filter((one) => !isExpected(one));
  check(checks.length >= least, `${version} ${name}: ${checks.length} checks`, `at least ${least}`);
  check(unexpected.length === 0, `${version} ${name}: all pass but ${other.length} that cannot`, unexpected);
  for (const { id, status } of other.filter(isExpected)) {
    console.log(`  ${status} ${id}: ${EXPECTED[id]}`);
  }
}

const [directory, ...command] = process.argv.slice(2);
const suite = suiteOf(directory);
const server = await serveHttp(command);
const between = await proxy(server);
const address = `http://127.0.0.1:${between.address().port}${server.url.pathname}`;
for (const [version, names] of Object.entries(SCENARIOS)) {
  for (const [name, least] of Object.entries(names)) {
    await scenario(suite, address, version, name, least);
  }
}
between.close();
between.closeAllConnections();
await server.stop();
process.exit(failed() ? 1 : 0);
