use serde_json::{Value, json};

use super::*;

const OCI_TAR: &str = "application/vnd.oci.image.layer.v1.tar";

fn digest(content: &str) -> String {
    Digest::of(content.as_bytes()).to_string()
}

fn manifest(layer_type: &str) -> Value {
    json!({
        "schemaVersion": 2,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest("c"), "size": 1},
        "layers": [{"mediaType": layer_type, "digest": digest("l"), "size": 1}],
    })
}

fn config(architecture: &str) -> Value {
    json!({"os": "linux", "architecture": architecture, "rootfs": {"type": "layers", "diff_ids": [digest("d")]}})
}

fn parse(document: &Value) -> Result<Document, ManifestError> {
    Document::parse(document.to_string().as_bytes())
}

fn join(manifest: &Value, config: &Value) -> Result<Image, ManifestError> {
    let Document::Manifest(parsed) = parse(manifest)? else {
        panic!("an index")
    };
    assemble(None, Digest::of(b"m"), &parsed, config.to_string().as_bytes())
}

fn entry(platform: &Value) -> Value {
    json!({"digest": digest(&platform.to_string()), "size": 1, "platform": platform})
}

fn choose(platforms: &[Value]) -> Result<Digest, ManifestError> {
    let entries: Vec<Value> = platforms.iter().map(entry).collect();
    let Document::Index(entries) = parse(&json!({"schemaVersion": 2, "manifests": entries}))? else {
        panic!("a manifest")
    };
    select(&entries).map(|entry| entry.digest)
}

#[test]
fn manifest_and_configuration_make_an_image() {
    let mut config = config("amd64");
    config["config"] = json!({"Env": ["A=b"], "User": "1:2", "WorkingDir": "/w", "Cmd": null, "Volumes": 7});
    let image = join(&manifest(OCI_TAR), &config).unwrap();
    assert_eq!(
        (image.config.env, image.config.user.as_str()),
        (vec!["A=b".to_owned()], "1:2")
    );
    assert_eq!(image.layers[0].diff_id, Digest::of(b"d"));
}

#[test]
fn schema_1_and_unknown_versions_are_refused() {
    assert!(matches!(
        parse(&json!({"schemaVersion": 1, "fsLayers": []})),
        Err(ManifestError::Schema1)
    ));
    assert!(matches!(
        parse(&json!({"schemaVersion": 3})),
        Err(ManifestError::SchemaVersion { version: 3 })
    ));
    assert!(matches!(parse(&json!("x")), Err(ManifestError::Json { .. })));
}

#[test]
fn a_document_that_is_two_things_is_refused() {
    let mut both = manifest(OCI_TAR);
    both["manifests"] = json!([]);
    assert!(matches!(parse(&both), Err(ManifestError::Ambiguous)));
    let mut disguised = manifest(OCI_TAR);
    disguised["mediaType"] = json!("application/vnd.oci.image.index.v1+json");
    assert!(matches!(parse(&disguised), Err(ManifestError::MediaType { .. })));
}

#[test]
fn layers_that_cannot_be_applied_are_refused_by_name() {
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    assert!(matches!(
        join(&manifest(foreign), &config("amd64")),
        Err(ManifestError::ForeignLayer { .. })
    ));
    let foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    assert!(matches!(
        join(&manifest(foreign), &config("amd64")),
        Err(ManifestError::ForeignLayer { .. })
    ));
    let encrypted = "application/vnd.oci.image.layer.v1.tar+encrypted";
    assert!(matches!(
        join(&manifest(encrypted), &config("amd64")),
        Err(ManifestError::LayerType { .. })
    ));
}

#[test]
fn artifacts_are_not_images() {
    let mut chart = manifest(OCI_TAR);
    chart["config"]["mediaType"] = json!("application/vnd.cncf.helm.config.v1+json");
    assert!(matches!(parse(&chart), Err(ManifestError::NotAnImage { .. })));
}

#[test]
fn counts_that_differ_or_are_too_high_are_refused() {
    let mut two = config("amd64");
    two["rootfs"]["diff_ids"] = json!([digest("a"), digest("b")]);
    assert!(matches!(
        join(&manifest(OCI_TAR), &two),
        Err(ManifestError::LayersDiffer {
            layers: 1,
            diff_ids: 2
        })
    ));
    let mut many = manifest(OCI_TAR);
    many["layers"] = json!(vec![many["layers"][0].clone(); MOST_LAYERS + 1]);
    assert!(matches!(
        parse(&many),
        Err(ManifestError::TooManyLayers {
            count: 513,
            limit: 512
        })
    ));
}

#[test]
fn a_zero_byte_in_the_configuration_is_refused() {
    let mut zero = config("amd64");
    zero["config"] = json!({"Env": ["A=\u{0}b"]});
    assert!(matches!(
        join(&manifest(OCI_TAR), &zero),
        Err(ManifestError::ZeroByte { .. })
    ));
}

#[test]
fn another_processor_is_refused_and_named() {
    let error = join(&manifest(OCI_TAR), &config("arm64")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no image for linux/amd64, only for linux/arm64"
    );
}

#[test]
fn the_lowest_amd64_entry_is_chosen() {
    let arm = json!({"os": "linux", "architecture": "arm64", "variant": "v8"});
    let plain = json!({"os": "linux", "architecture": "amd64"});
    let third = json!({"os": "linux", "architecture": "amd64", "variant": "v3"});
    let unknown = json!({"os": "unknown", "architecture": "unknown"});
    let chosen = choose(&[arm.clone(), third, plain.clone(), unknown.clone()]).unwrap();
    assert_eq!(chosen, Digest::of(plain.to_string().as_bytes()));
    let error = choose(&[arm, unknown]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no image for linux/amd64, only for linux/arm64/v8"
    );
}

#[test]
fn sizes_and_digests_must_be_what_they_claim() {
    for (field, value) in [
        ("size", json!(-1)),
        ("size", json!("1")),
        ("digest", json!("sha256:../x")),
    ] {
        let mut bad = manifest(OCI_TAR);
        bad["layers"][0][field] = value;
        assert!(matches!(parse(&bad), Err(ManifestError::Json { .. })));
    }
}
