//! Many files, with the memory they take.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use pyro_image::seed::SeedOptions;
use tempfile::TempDir;

use super::{plan, write};
use crate::image::check;

const CHILD: &str = "PYRO_TEST_CHILD_LARGE_SEED";
/// How many MiB lie in large files beside the small ones, in steps of 64.
const LARGE: &str = "PYRO_TEST_SEED_MIB";
const FILES: usize = 100_000;
const MEMORY_MAX_KIB: u64 = 100 * 1024;

fn make_tree(root: &Path) {
    for directory in 0..FILES / 100 {
        let path = root.join(format!("package-{}/module-{directory}", directory % 20));
        std::fs::create_dir_all(&path).unwrap();
        for file in 0..100 {
            let content = format!("{directory} {file}\n").repeat(file);
            std::fs::write(path.join(format!("source-file-{file}.rs")), content).unwrap();
        }
    }
    let mebibytes: u64 = std::env::var(LARGE).map_or(64, |text| text.parse().unwrap());
    // Files of holes: what is measured is the way of their zeros, not the disk under the seed.
    for at in 0..mebibytes / 64 {
        let large = std::fs::File::create(root.join(format!("large-{at}"))).unwrap();
        large.set_len(64 << 20).unwrap();
    }
}

#[test]
fn many_files_take_little_memory() {
    let home = TempDir::new().unwrap();
    let seed = home.path().join("seed");
    std::fs::create_dir(&seed).unwrap();
    make_tree(&seed);
    let archive = home.path().join("seed.tar");
    let packed = Command::new("tar")
        .arg("-cf")
        .arg(&archive)
        .arg("-C")
        .arg(&seed)
        .arg(".")
        .status();
    assert!(packed.unwrap().success());
    for source in [&seed, &archive] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "seed::large::the_build_of_a_child", "--nocapture"])
            .env(CHILD, source)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = text.lines().find_map(|line| line.split_once("peak KiB: "));
        let (_, said) = said.unwrap_or_else(|| panic!("no outcome: {output:?}"));
        println!("{}: {said}", source.file_name().unwrap().to_string_lossy());
        let peak: u64 = said.split(' ').next().unwrap().parse().unwrap();
        assert!(peak < MEMORY_MAX_KIB, "{peak} KiB");
        let out = source.with_extension("erofs");
        check(&out);
        std::fs::remove_file(&out).unwrap();
    }
}

/// Does nothing unless another test started this process for it.
#[test]
fn the_build_of_a_child() {
    let Some(seed) = std::env::var_os(CHILD) else {
        return;
    };
    let seed = Path::new(&seed);
    let start = Instant::now();
    let planned = plan(seed, &SeedOptions::default()).unwrap();
    let planning = start.elapsed();
    let built = write(planned, &seed.with_extension("erofs")).unwrap();
    let writing = start.elapsed() - planning;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.unwrap().trim().trim_end_matches(" kB");
    assert!(built.entry_count > 101_000);
    println!(
        "\npeak KiB: {peak} for {} entries, {} MiB; planned in {}, written in {}",
        built.entry_count,
        built.bytes_written >> 20,
        shown(planning),
        shown(writing)
    );
}

fn shown(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}
