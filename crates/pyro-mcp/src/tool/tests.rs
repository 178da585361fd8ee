//! What is frozen about the tools, and what they may cost a model.

use std::path::PathBuf;

use serde_json::json;

use super::*;

/// Set to write the frozen lists anew.
const REGENERATE: &str = "PYRO_WRITE_SNAPSHOTS";

fn definitions(profile: Profile) -> Vec<Definition> {
    let defaults = Defaults {
        environment: pyro::DEFAULT_ENVIRONMENT.to_owned(),
        host_memory_mib: 65_536,
    };
    tools_of(profile).map(|tool| tool.definition(&defaults)).collect()
}

/// What a model is charged for.
fn visible(definition: &Definition) -> Value {
    json!({
        "name": definition.name,
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
        .map(|definition| definition.to_model(structured))
        .collect();
    serde_json::to_value(models).unwrap()
}

#[test]
fn the_lists_are_what_was_frozen() {
    for profile in Profile::ALL {
        for structured in Structured::ALL {
            let name = format!("{profile}.{}.json", structured.as_str());
            let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "frozen", &name]
                .iter()
                .collect();
            let now = listed(*profile, *structured);
            if std::env::var_os(REGENERATE).is_some() {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, format!("{now:#}\n")).unwrap();
            }
            let frozen = std::fs::read_to_string(&path).unwrap_or_default();
            let frozen: Value = serde_json::from_str(&frozen).unwrap_or_default();
            assert_eq!(now, frozen, "{name} differs; if meant, run with {REGENERATE}=1");
        }
    }
}

#[test]
fn every_list_is_in_name_order_with_the_tools_of_its_profile() {
    let names = |profile| -> Vec<_> {
        definitions(profile)
            .iter()
            .map(|definition| definition.name)
            .collect()
    };
    assert_eq!(names(Profile::VmRun), ["vm_run"]);
    for profile in Profile::ALL {
        assert!(names(*profile).is_sorted());
    }
}

#[test]
fn tools_and_profiles_stay_within_their_budgets() {
    for (profile, limit, whole_limit) in [(Profile::VmRun, 300, 450)] {
        let definitions = definitions(profile);
        for definition in &definitions {
            let tokens = tokens(&visible(definition));
            println!("{}: {tokens} tokens", definition.name);
            assert!(tokens <= 250, "{}: {tokens} tokens", definition.name);
            assert!(definition.description.len() <= 600, "{}", definition.name);
        }
        let all = tokens(&definitions.iter().map(visible).collect());
        println!("{profile}: {all} tokens");
        assert!(all <= limit, "{profile}: {all} tokens");
        let whole = tokens(&listed(profile, Structured::Auto));
        println!("{profile}: {whole} tokens with titles and hints");
        assert!(
            whole <= whole_limit,
            "{profile}: {whole} tokens in the whole list"
        );
    }
}

#[test]
fn schemas_are_plain_and_say_everything() {
    for definition in definitions(Profile::VmRun) {
        let schema = Value::from(input_schema(&definition.parameters));
        let text = schema.to_string();
        for construct in ["$ref", "anyOf", "oneOf", "allOf", "\"type\":[", "$schema"] {
            assert!(!text.contains(construct), "{}: {construct}", definition.name);
        }
        assert_eq!(schema["additionalProperties"], false);
        for (name, property) in schema["properties"].as_object().unwrap() {
            assert!(!property["description"].as_str().unwrap().is_empty(), "{name}");
            match property["type"].as_str().unwrap() {
                "integer" => assert!(
                    property["minimum"].is_u64() && property["maximum"].is_u64(),
                    "{name}"
                ),
                "string" => assert!(
                    property["default"].is_string() || property["maxLength"].is_u64(),
                    "{name}"
                ),
                other => panic!("{name}: {other}"),
            }
        }
    }
}

#[test]
fn every_tool_sends_a_title_and_all_four_hints() {
    let tools = listed(Profile::VmRun, Structured::Auto);
    assert_eq!(
        tools[0]["annotations"],
        json!({
            "title": "Run a command in a throwaway VM",
            "readOnlyHint": false,
            "destructiveHint": false,
            "idempotentHint": false,
            "openWorldHint": true,
        })
    );
    assert_eq!(tools[0]["title"], tools[0]["annotations"]["title"]);
}

#[test]
fn vm_run_names_its_default_environment_and_the_catalog() {
    let defaults = Defaults {
        environment: "docker.io/library/rust:1".to_owned(),
        host_memory_mib: 1024,
    };
    let definition = vm_run::VmRun.definition(&defaults);
    assert!(
        definition.description.contains(
            "docker.io/library/rust:1 (default), debian:12 (git), debian:12-base, debian:12-build (gcc, make, python3)"
        ),
        "{}",
        definition.description
    );
    let schema = Value::from(input_schema(&definition.parameters));
    let properties = &schema["properties"];
    assert_eq!(properties["environment"]["default"], "docker.io/library/rust:1");
    assert_eq!(properties["mem_mib"]["maximum"], 1024);
    assert_eq!(schema["required"], json!(["command"]));
}

#[test]
fn an_output_schema_is_declared_only_where_results_have_the_form() {
    assert_eq!(
        listed(Profile::VmRun, Structured::Auto)[0]["outputSchema"],
        Value::Null
    );
    let schema = &listed(Profile::VmRun, Structured::All)[0]["outputSchema"];
    assert_eq!(schema["type"], "object");
    assert_eq!(schema["required"], Value::Null);
    assert_eq!(schema["properties"]["error"]["type"], "object");
}
