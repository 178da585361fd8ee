//! `vm_list_environments`: what VMs and workspaces can start from.

use pyro::ImportSource;
use pyro::object::{EnvironmentInfo, EnvironmentList, EnvironmentOrigin, EnvironmentPaths};
use serde_json::Value;

use crate::arguments::Arguments;
use crate::render::write_environments;
use crate::schema::output_schema;
use crate::tool::{Answer, Call, Defaults, Definition, Hints, Payload, Tool, Work, object};
use crate::words::Words;

/// The tool `vm_list_environments`.
#[derive(Debug)]
pub(crate) struct VmListEnvironments;

impl Tool for VmListEnvironments {
    fn name(&self) -> &'static str {
        "vm_list_environments"
    }

    fn definition(&self, _defaults: &Defaults) -> Definition {
        Definition {
            title: "List environments",
            description: "List the catalog and installed images.".to_owned(),
            parameters: Vec::new(),
            hints: Hints::ReadOnly,
            payload: Payload::Record,
            output_schema: output_schema(&[
                ("catalog_version", "string"),
                ("count", "integer"),
                ("environments", "array"),
            ]),
        }
    }

    fn call<'a>(&'a self, call: &'a Call, _arguments: Arguments) -> Work<'a> {
        Box::pin(async move {
            let list = shown(call.pyro.environments().list()?, &call.words);
            Ok(Answer::record(list, write_environments))
        })
    }
}

/// The list as clients see it: without the places of the host.
fn shown(mut list: EnvironmentList, words: &Words) -> Value {
    list.environments.retain(is_for_clients);
    list.count = list.environments.len();
    for environment in &mut list.environments {
        if environment.origin == Some(EnvironmentOrigin::Imported) {
            // It says from which file.
            "imported".clone_into(&mut environment.description);
        }
        for warning in &mut environment.warnings {
            *warning = words.without_places(warning);
        }
    }
    let mut shown = object(&list);
    let places = object(&EnvironmentPaths::default());
    for environment in shown["environments"].as_array_mut().into_iter().flatten() {
        for place in places.as_object().into_iter().flat_map(|places| places.keys()) {
            environment.as_object_mut().map(|fields| fields.remove(place));
        }
    }
    shown
}

/// Whether its name is none of a place on the host.
fn is_for_clients(environment: &EnvironmentInfo) -> bool {
    matches!(ImportSource::parse(&environment.name), ImportSource::RootfsTar(_))
}

#[cfg(test)]
mod tests {
    use pyro::{Pyro, Settings};

    use super::*;
    use crate::profile::Profile;

    #[test]
    fn clients_see_no_places_of_the_host() {
        let base = tempfile::tempdir().unwrap();
        let settings = Settings::new(base.path().join("home"), base.path().join("cache"));
        let words = Words::of_profile(&settings, Profile::WorkspaceFull);
        let mut list = Pyro::open(settings).environments().list().unwrap();
        let catalog = list.count;
        let mut own = list.environments[0].clone();
        own.name = "own".to_owned();
        own.origin = Some(EnvironmentOrigin::Imported);
        own.description = "from /srv/images/own.tar".to_owned();
        own.paths.source = Some("/srv/images/own.tar".to_owned());
        own.warnings = vec![format!("`{}/cache/x` is old", base.path().display())];
        let mut unnamed = own.clone();
        unnamed.name = "oci-layout:/srv/images/layout".to_owned();
        list.environments.extend([own, unnamed]);

        let shown = shown(list, &words);
        assert_eq!(shown["count"], catalog + 1);
        let own = &shown["environments"][catalog];
        assert_eq!(
            (&own["name"], &own["origin"]),
            (&"own".into(), &"imported".into())
        );
        assert_eq!(own["warnings"][0], "`$PYRO_CACHE_DIR/x` is old");
        let text = shown.to_string();
        for place in ["/srv", base.path().to_str().unwrap(), "cache_dir", "rootfs_image"] {
            assert!(!text.contains(place), "{place}: {text}");
        }
        assert_eq!(shown["environments"][0]["name"], "debian:12");
    }
}
