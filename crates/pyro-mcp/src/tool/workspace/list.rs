//! `workspace_list`: all workspaces, the one last used first.

use pyro::WorkspaceFilter;
use pyro::object::{WorkspaceList, WorkspaceState, WorkspaceSummary};

use super::page::Page;
use crate::arguments::Arguments;
use crate::render::write_list;
use crate::schema::{Kind, Parameter, output_schema};
use crate::tool::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, object};

/// The tool `workspace_list`.
#[derive(Debug)]
pub(crate) struct List;

/// The states that a workspace can be in.
const STATES: &[(&str, WorkspaceState)] = &[
    ("creating", WorkspaceState::Creating),
    ("starting", WorkspaceState::Starting),
    ("started", WorkspaceState::Started),
    ("stopping", WorkspaceState::Stopping),
    ("stopped", WorkspaceState::Stopped),
    ("resetting", WorkspaceState::Resetting),
    ("deleting", WorkspaceState::Deleting),
    ("damaged", WorkspaceState::Damaged),
];

/// Their names.
const STATE_NAMES: &[&str] = &[
    "creating",
    "starting",
    "started",
    "stopping",
    "stopped",
    "resetting",
    "deleting",
    "damaged",
];

impl Tool for List {
    fn name(&self) -> &'static str {
        "workspace_list"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        Definition {
            title: "List workspaces",
            description: "Last used first.".to_owned(),
            parameters: vec![
                Parameter::new("labels", "All match", Kind::Map),
                Parameter::choice("state", "Only these", STATE_NAMES, None),
                Parameter::integer("limit", "Page size", 1..=1000, 100),
                Parameter::text("page", "next_page"),
            ],
            hints: Hints::ReadOnly,
            payload: Payload::Record,
            output_schema: output_schema(&[("count", "integer"), ("workspaces", "array")]),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, arguments: Arguments) -> Work<'a> {
        Box::pin(async move { list(call, &arguments) })
    }
}

fn list(call: &Call, arguments: &Arguments) -> pyro::Result<Answer> {
    let begin = arguments.optional_text("page").map(Page::parse).transpose()?;
    let mut filter = WorkspaceFilter::default();
    filter.labels = arguments
        .map("labels")
        .into_iter()
        .map(|(name, value)| (name, Some(value)))
        .collect();
    let state = arguments.optional_text("state");
    filter.state = state.and_then(|state| {
        let found = STATES.iter().find(|(name, _)| *name == state);
        found.map(|(_, state)| *state)
    });
    let mut summaries = call.pyro.workspaces(&filter)?;
    summaries.sort_by_key(position);
    if let Some(begin) = begin {
        summaries.retain(|summary| position(summary) > begin);
    }
    let limit = usize::try_from(arguments.integer("limit")).unwrap_or(usize::MAX);
    let has_more = summaries.len() > limit;
    summaries.truncate(limit);
    for summary in &mut summaries {
        let error = summary.last_error.take();
        summary.last_error = error.map(|error| call.words.without_places(&error));
    }
    let next_page = summaries
        .last()
        .filter(|_| has_more)
        .map(|last| position(last).to_string());
    let mut list = WorkspaceList::of(summaries);
    list.next_page = next_page;
    Ok(Answer::record(object(&list), write_list))
}

fn position(summary: &WorkspaceSummary) -> Page {
    let last_used = summary.last_activity_at.clone().unwrap_or_default();
    Page::new(last_used, summary.workspace_id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_name() {
        let names: Vec<_> = STATES.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, STATE_NAMES);
        for (name, state) in STATES {
            assert_eq!(object(state), *name);
        }
    }
}
