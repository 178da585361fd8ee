//! The generated page `docs/errors.md` says what the library says.
//!
//! Run with `UPDATE_DOCS=1` to write it anew.

use std::fmt::Write as _;
use std::path::Path;

use pyro::ErrorCode;

const BEFORE: &str = "\
<!-- Generated from `pyro::ErrorCode` by crates/pyro/tests/docs.rs; write it anew with UPDATE_DOCS=1. -->

# Errors

Every failure of pyro has one shape on every surface: `{code, message, hint, details}`. `message` is one sentence that
names the thing and the limit, `hint` the next step, `details` an object for programs or `null`. Programs branch on
`code`; codes are only ever added.

* The CLI prints `error: message` and `hint: hint` on stderr. With `--json` it prints
  `{\"ok\": false, \"error\": {…}}` on stdout, usage errors included.
* An MCP tool answers with `isError: true` and the text `error CODE: message`, then `hint: …`.

A guest command that fails is a result, not an error, and so is a `pyro doctor` or `pyro prepare` that finds something
wrong.

## Codes

| Code | Exit status | Meaning |
| --- | --- | --- |
";

const AFTER: &str = "
## Exit statuses

| Status | From | Meaning |
| --- | --- | --- |
| the guest's own, 0–255 | `pyro run` | the command ended: its status, 128+N after signal N; 127 or 126 when its program was not found or is not executable |
| 0 | all others | done |
| 1 | `pyro doctor`, `pyro host doctor`, `pyro prepare` | at least one check or step failed |
| 2 | all | a usage error, or an argument refused before any work |
| 124 | all | a time limit ran out |
| 125 | all | pyro could not do it |
| 130 | all | interrupted |

A guest may itself exit with 2, 124, 125 or 130. `--json` tells them apart: a guest's status is in a result with
`outcome` `exited`, `signaled` or `not_started`; pyro's own 124 and 130 are in results with `outcome` `timed_out` and
`cancelled`; a failure of pyro is an `error` object and never a result.
";

#[test]
fn the_page_of_error_codes_is_fresh() {
    let mut page = BEFORE.to_owned();
    for code in ErrorCode::ALL {
        let (status, meaning) = (code.exit_status(), code.meaning());
        writeln!(page, "| `{code}` | {status} | {meaning} |").unwrap();
    }
    page.push_str(AFTER);

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(
        committed == page,
        "{} is stale: run this test with UPDATE_DOCS=1",
        path.display()
    );
}
