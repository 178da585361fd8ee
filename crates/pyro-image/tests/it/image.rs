//! Small images, and pushing them to a registry.

use std::io::Write as _;

use flate2::write::GzEncoder;
use pyro_image::Digest;
use serde_json::{Value, json};

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// An image in memory.
pub(crate) struct TestImage {
    pub(crate) layers: Vec<Vec<u8>>,
    pub(crate) config: Vec<u8>,
    pub(crate) manifest: Vec<u8>,
    media_type: &'static str,
}

impl TestImage {
    /// Makes an OCI image of so many layers of about `size` bytes each.
    pub(crate) fn new(layers: usize, size: usize) -> Self {
        Self::build(layers, size, "amd64", OCI_MANIFEST)
    }

    /// Makes the same as docker would.
    pub(crate) fn docker(layers: usize, size: usize) -> Self {
        Self::build(layers, size, "amd64", DOCKER_MANIFEST)
    }

    /// Makes one for another processor.
    pub(crate) fn for_architecture(architecture: &str) -> Self {
        Self::build(1, 1000, architecture, OCI_MANIFEST)
    }

    fn build(count: usize, size: usize, architecture: &str, media_type: &'static str) -> Self {
        let tars: Vec<Vec<u8>> = (0..count)
            .map(|index| tar_of(&format!("file{index}"), &noise(index, size)))
            .collect();
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": {"Env": ["PATH=/bin"], "User": "1000", "WorkingDir": "/work"},
            "rootfs": {"type": "layers", "diff_ids": tars.iter().map(|it| Digest::of(it)).collect::<Vec<_>>()},
        });
        let config = config.to_string().into_bytes();
        let layers: Vec<Vec<u8>> = tars.iter().map(|tar| gzip(tar)).collect();
        let manifest = manifest(&config, &layers, media_type).to_string().into_bytes();
        Self {
            layers,
            config,
            manifest,
            media_type,
        }
    }

    /// Returns the digest of the manifest.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }

    /// Returns the digest of a layer as text.
    pub(crate) fn layer(&self, index: usize) -> String {
        Digest::of(&self.layers[index]).to_string()
    }

    /// Pushes everything to a registry; `user` is `name:password`.
    pub(crate) async fn push(&self, registry: &str, repository: &str, tag: &str, user: Option<&str>) {
        let client = Pusher::new(registry, repository, user);
        for blob in self.layers.iter().chain([&self.config]) {
            client.blob(blob).await;
        }
        client.manifest(tag, self.media_type, &self.manifest).await;
    }
}

/// Pushes to one repository.
pub(crate) struct Pusher {
    client: reqwest::Client,
    base: String,
    user: Option<String>,
}

impl Pusher {
    pub(crate) fn new(registry: &str, repository: &str, user: Option<&str>) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            client,
            base: format!("http://{registry}/v2/{repository}"),
            user: user.map(str::to_owned),
        }
    }

    /// Uploads a blob.
    pub(crate) async fn blob(&self, content: &[u8]) {
        let start = self
            .send(self.client.post(format!("{}/blobs/uploads/", self.base)))
            .await;
        let place = start.headers()["location"].to_str().unwrap().to_owned();
        let mut url = reqwest::Url::parse(&place).unwrap();
        url.query_pairs_mut()
            .append_pair("digest", &Digest::of(content).to_string());
        self.send(self.client.put(url).body(content.to_vec())).await;
    }

    /// Uploads a manifest or index.
    pub(crate) async fn manifest(&self, name: &str, media_type: &str, content: &[u8]) {
        let url = format!("{}/manifests/{name}", self.base);
        self.send(
            self.client
                .put(url)
                .header("content-type", media_type)
                .body(content.to_vec()),
        )
        .await;
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Response {
        let request = match self.user.as_deref().and_then(|user| user.split_once(':')) {
            Some((name, password)) => request.basic_auth(name, Some(password)),
            None => request,
        };
        let response = request.send().await.unwrap();
        let status = response.status();
        assert!(status.is_success(), "{status}");
        response
    }
}

/// Describes `content` as a manifest does.
pub(crate) fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(content), "size": content.len()})
}

fn manifest(config: &[u8], layers: &[Vec<u8>], media_type: &str) -> Value {
    let (config_type, layer_type) = if media_type == OCI_MANIFEST {
        (
            "application/vnd.oci.image.config.v1+json",
            "application/vnd.oci.image.layer.v1.tar+gzip",
        )
    } else {
        (
            "application/vnd.docker.container.image.v1+json",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
        )
    };
    json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": descriptor(config_type, config),
        "layers": layers.iter().map(|layer| descriptor(layer_type, layer)).collect::<Vec<_>>(),
    })
}

/// Makes a tar of one file.
pub(crate) fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    append(&mut builder, name, content);
    builder.into_inner().unwrap()
}

/// Appends a file to a tar, whatever its name.
pub(crate) fn append(builder: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8]) {
    let mut header = header(name, tar::EntryType::Regular);
    header.set_size(u64::try_from(content.len()).unwrap());
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

/// Appends a symbolic link to a tar.
pub(crate) fn append_link(builder: &mut tar::Builder<Vec<u8>>, name: &str, target: &str) {
    let mut header = header(name, tar::EntryType::Symlink);
    header.set_size(0);
    header.as_gnu_mut().unwrap().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    builder.append(&header, &b""[..]).unwrap();
}

/// Makes a header whose name is not looked at, as a hostile archive would have it.
fn header(name: &str, entry_type: tar::EntryType) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_entry_type(entry_type);
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header
}

/// Compresses by gzip.
pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Makes bytes that do not compress.
pub(crate) fn noise(seed: usize, size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64
        ^ u64::try_from(seed + 1)
            .unwrap()
            .wrapping_mul(0x2545_f491_4f6c_dd1d);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..size).map(|_| next()).collect()
}
