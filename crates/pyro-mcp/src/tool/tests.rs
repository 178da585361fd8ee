//! What is frozen about the tools, and what they may cost a model.

use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::function::FunctionFormat;
use crate::profile::tools_of;

/// Set to write the frozen lists anew.
const REGENERATE: &str = "PYRO_WRITE_SNAPSHOTS";

/// What a profile may cost a model: its tools, and the whole list with titles, hints and output schemas.
const BUDGETS: [(Profile, usize, usize); 3] = [
    (Profile::VmRun, 300, 450),
    (Profile::WorkspaceCore, 2200, 3400),
    (Profile::WorkspaceFull, 6000, 9500),
];

fn defaults(profile: Profile) -> Defaults {
    Defaults {
        profile,
        environment: pyro::DEFAULT_ENVIRONMENT.to_owned(),
        host_memory_mib: 65_536,
        has_project: false,
        allow_host_compat: false,
    }
}

fn definitions(profile: Profile) -> Vec<(&'static str, Definition)> {
    let defaults = defaults(profile);
    tools_of(profile)
        .map(|tool| (tool.name(), tool.definition(&defaults)))
        .collect()
}

/// What a model is charged for.
fn visible((name, definition): &(&'static str, Definition)) -> Value {
    json!({
        "name": name,
        "description": definition.description,
        "inputSchema": input_schema(&definition.parameters),
    })
}

fn tokens(value: &Value) -> usize {
    bpe_openai::o200k_base().count(&value.to_string())
}

fn listed(profile: Profile, structured: Structured) -> Value {
    let models: Vec<_> = definitions(profile)
        .iter()
        .map(|(name, definition)| definition.to_model(name, structured))
        .collect();
    serde_json::to_value(models).unwrap()
}

#[test]
fn the_lists_are_what_was_frozen() {
    for profile in Profile::ALL {
        for structured in Structured::ALL {
            let name = format!("{profile}.{}.json", structured.as_str());
            assert_frozen(&name, &listed(*profile, *structured));
        }
    }
}

#[test]
fn the_functions_are_what_was_frozen() {
    for format in FunctionFormat::ALL {
        let functions: Vec<_> = definitions(Profile::WorkspaceCore)
            .iter()
            .map(|(name, definition)| format.define(&definition.to_model(name, Structured::Auto)))
            .collect();
        assert_frozen(
            &format!("workspace-core.{}.json", format.as_str()),
            &functions.into(),
        );
    }
}

fn assert_frozen(name: &str, now: &Value) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "frozen", name]
        .iter()
        .collect();
    if std::env::var_os(REGENERATE).is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("{now:#}\n")).unwrap();
    }
    let frozen = std::fs::read_to_string(&path).unwrap_or_default();
    let frozen: Value = serde_json::from_str(&frozen).unwrap_or_default();
    assert_eq!(*now, frozen, "{name} differs; if meant, run with {REGENERATE}=1");
}

#[test]
fn every_list_is_in_name_order_with_the_tools_of_its_profile() {
    let names = |profile| -> Vec<_> { definitions(profile).iter().map(|(name, _)| *name).collect() };
    assert_eq!(names(Profile::VmRun), ["vm_run"]);
    let core = [
        "vm_run",
        "workspace_create",
        "workspace_delete",
        "workspace_diff",
        "workspace_exec",
        "workspace_export",
        "workspace_file_list",
        "workspace_file_read",
        "workspace_file_write",
        "workspace_list",
        "workspace_logs",
        "workspace_patch_apply",
        "workspace_reset",
        "workspace_status",
        "workspace_sync_push",
        "workspace_update",
    ];
    assert_eq!(names(Profile::WorkspaceCore), core);
    let full = names(Profile::WorkspaceFull);
    assert_eq!(full.len(), 27);
    assert!(core.iter().all(|name| full.contains(name)));
    let added: Vec<_> = full.into_iter().filter(|name| !core.contains(name)).collect();
    assert_eq!(
        added,
        [
            "vm_create",
            "vm_delete",
            "vm_exec",
            "vm_list_environments",
            "vm_network_info",
            "vm_reap_expired",
            "vm_start",
            "vm_status",
            "vm_stop",
            "workspace_start",
            "workspace_stop",
        ]
    );
    for profile in Profile::ALL {
        assert!(names(*profile).is_sorted());
    }
}

#[test]
fn tools_and_profiles_stay_within_their_budgets() {
    for (profile, limit, whole_limit) in BUDGETS {
        let definitions = definitions(profile);
        let mut over = Vec::new();
        for definition in &definitions {
            let tokens = tokens(&visible(definition));
            println!("{profile} {}: {tokens} tokens", definition.0);
            if tokens > 250 || definition.1.description.len() > 600 {
                over.push(definition.0);
            }
        }
        assert!(over.is_empty(), "{profile}: {over:?}");
        let all = tokens(&definitions.iter().map(visible).collect());
        println!("{profile}: {all} tokens");
        let whole = tokens(&listed(profile, Structured::Auto));
        println!("{profile}: {whole} tokens with titles, hints and output schemas");
        assert!(all <= limit, "{profile}: {all} tokens");
        assert!(
            whole <= whole_limit,
            "{profile}: {whole} tokens in the whole list"
        );
    }
}

#[test]
fn schemas_are_plain_and_say_everything() {
    for (tool, definition) in definitions(Profile::WorkspaceFull) {
        let schema = Value::from(input_schema(&definition.parameters));
        let text = schema.to_string() + &Value::from(definition.output_schema).to_string();
        for construct in ["$ref", "anyOf", "oneOf", "allOf", "\"type\":[", "$schema"] {
            assert!(!text.contains(construct), "{tool}: {construct}");
        }
        assert_eq!(schema["additionalProperties"], false);
        let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
        for (name, property) in schema["properties"].as_object().unwrap() {
            let what = format!("{tool}: {name}");
            assert!(!property["description"].as_str().unwrap().is_empty(), "{what}");
            assert!(
                property["default"].is_null() || !required.contains(&&Value::from(name.as_str())),
                "{what}"
            );
            match property["type"].as_str().unwrap() {
                "integer" => assert!(property["minimum"].is_u64(), "{what}"),
                "object" => assert_eq!(property["additionalProperties"]["type"], "string", "{what}"),
                "array" => assert_eq!(property["items"]["type"], "string", "{what}"),
                "string" | "boolean" => {}
                other => panic!("{what}: {other}"),
            }
        }
    }
}

#[test]
fn a_tool_is_the_same_in_all_profiles_but_for_what_the_full_one_adds() {
    let [vm_run, core, full] = [Profile::VmRun, Profile::WorkspaceCore, Profile::WorkspaceFull]
        .map(|profile| listed(profile, Structured::Auto));
    assert_eq!(vm_run[0], core[0]);
    let named = |name: &Value| {
        let mut tools = full.as_array().unwrap().iter();
        tools.find(|tool| tool["name"] == *name).unwrap().clone()
    };
    assert_eq!(vm_run[0], named(&vm_run[0]["name"]));
    let added = [
        ("workspace_create", "include_ignored"),
        ("workspace_exec", "user"),
    ];
    for core in core.as_array().unwrap() {
        let mut full = named(&core["name"]);
        for (tool, parameter) in added {
            if full["name"] == tool {
                let properties = full["inputSchema"]["properties"].as_object_mut().unwrap();
                assert!(properties.remove(parameter).is_some(), "{tool}");
                assert_eq!(full["annotations"]["openWorldHint"], true);
                full["annotations"]["openWorldHint"] = false.into();
            }
        }
        assert_eq!(full, *core);
    }
}

#[test]
fn nothing_in_core_speaks_of_what_it_lacks() {
    let mut text = listed(Profile::WorkspaceCore, Structured::Auto).to_string();
    text.push_str(&Profile::WorkspaceCore.instructions(&defaults(Profile::WorkspaceCore)));
    // A command is a shell command, and a state may be the baseline's.
    let text = text.to_lowercase().replace("shell command", "command");
    for word in [
        "shell",
        "service",
        "snapshot_",
        "secret",
        "network_policy",
        "allow_domains",
        "fork",
        "workspace_disk",
        "workspace_start",
        "workspace_stop",
        "vm_create",
        "vm_start",
        "published",
    ] {
        assert!(!text.contains(word), "{word}");
    }
}

#[test]
fn every_tool_sends_a_title_and_all_four_hints() {
    let read_only = [
        "vm_list_environments",
        "vm_network_info",
        "vm_status",
        "workspace_diff",
        "workspace_file_list",
        "workspace_file_read",
        "workspace_list",
        "workspace_logs",
        "workspace_status",
    ];
    let destructive = [
        "vm_delete",
        "vm_reap_expired",
        "workspace_delete",
        "workspace_export",
        "workspace_reset",
    ];
    let idempotent = [
        &read_only[..],
        &destructive,
        &[
            "vm_start",
            "vm_stop",
            "workspace_start",
            "workspace_stop",
            "workspace_sync_push",
            "workspace_update",
        ],
    ]
    .concat();
    for profile in Profile::ALL {
        let open_world: &[&str] = match profile {
            Profile::WorkspaceFull => &[
                "vm_create",
                "vm_exec",
                "vm_run",
                "workspace_create",
                "workspace_exec",
            ],
            _ => &["vm_run"],
        };
        for tool in listed(*profile, Structured::Auto).as_array().unwrap() {
            let name = tool["name"].as_str().unwrap();
            assert_eq!(
                tool["annotations"],
                json!({
                    "title": tool["title"],
                    "readOnlyHint": read_only.contains(&name),
                    "destructiveHint": destructive.contains(&name) || name == "vm_exec",
                    "idempotentHint": idempotent.contains(&name),
                    "openWorldHint": open_world.contains(&name),
                }),
                "{name}"
            );
            assert!(!tool["title"].as_str().unwrap().is_empty());
        }
    }
}

#[test]
fn vm_run_names_its_default_environment_and_the_catalog() {
    let defaults = Defaults {
        profile: Profile::VmRun,
        environment: "docker.io/library/rust:1".to_owned(),
        host_memory_mib: 1024,
        has_project: false,
        allow_host_compat: false,
    };
    let definition = VmRun.definition(&defaults);
    assert!(
        definition.description.contains(
            "docker.io/library/rust:1 (default), debian:12 (git), debian:12-base, debian:12-build (gcc, python3)"
        ),
        "{}",
        definition.description
    );
    let schema = Value::from(input_schema(&definition.parameters));
    let properties = &schema["properties"];
    assert_eq!(properties["environment"]["default"], "docker.io/library/rust:1");
    assert_eq!(properties["mem_mib"]["maximum"], 1024);
    assert_eq!(schema["required"], Value::Null, "`vm_id` may take its place");
    for shown in ["command", "vm_id", "wait_seconds"] {
        assert!(properties[shown].is_object(), "{shown}");
    }
    for taken in ["ttl_seconds", "vcpu_count", "max_output_chars"] {
        assert_eq!(properties[taken], Value::Null, "taken, and not shown");
        assert!(definition.parameters.iter().any(|known| known.name == taken));
    }
}

#[test]
fn a_call_can_do_without_a_vm_only_where_the_server_lets_it_say_so() {
    for allow_host_compat in [false, true] {
        let defaults = Defaults {
            allow_host_compat,
            ..defaults(Profile::WorkspaceFull)
        };
        let with: Vec<_> = tools_of(Profile::WorkspaceFull)
            .filter(|tool| {
                let schema = Value::from(input_schema(&tool.definition(&defaults).parameters));
                let flag = &schema["properties"]["allow_host_compat"];
                assert!(flag.is_null() || flag["default"] == false, "{flag}");
                flag.is_object()
            })
            .map(|tool| tool.name())
            .collect();
        let start_a_vm = ["vm_create", "vm_run", "workspace_create"];
        assert_eq!(with, if allow_host_compat { &start_a_vm[..] } else { &[] });
    }
}

#[test]
fn an_output_schema_is_declared_only_where_results_have_the_form() {
    let text = [
        "vm_exec",
        "vm_run",
        "workspace_diff",
        "workspace_exec",
        "workspace_file_read",
        "workspace_logs",
    ];
    for structured in Structured::ALL {
        for tool in listed(Profile::WorkspaceFull, *structured).as_array().unwrap() {
            let is_declared =
                *structured == Structured::All || !text.contains(&tool["name"].as_str().unwrap());
            let schema = &tool["outputSchema"];
            assert_eq!(schema.is_object(), is_declared, "{tool}");
            if is_declared {
                assert_eq!(schema["type"], "object");
                assert_eq!(schema["required"], Value::Null);
                assert_eq!(schema["properties"]["error"]["type"], "object");
            }
        }
    }
}
