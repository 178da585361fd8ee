//! Whole flows by the official Python client, through the profiles `vm-run` and `workspace-core`.

use crate::clients::{flow, promotion};

#[test]
fn an_agent_that_is_promoted_keeps_what_it_had_and_gets_the_rest() {
    promotion();
}

#[test]
fn a_defect_is_reproduced_and_fixed() {
    flow("repro-fix-loop");
}

#[test]
fn two_workspaces_are_used_side_by_side() {
    flow("parallel-workspaces");
}

#[test]
fn an_untrusted_tree_is_looked_at_and_never_run() {
    flow("untrusted-inspection");
}
