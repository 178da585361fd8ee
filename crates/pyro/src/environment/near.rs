//! Names that a mistyped one may have meant.

use super::catalog;

/// How alike two names must be, from 0 to 1.
const LIKENESS: f64 = 0.8;

/// Known names like the given one, the likest first.
pub(super) fn names<'a>(name: &str, installed: impl Iterator<Item = &'a str>) -> Vec<String> {
    let known = catalog::ENTRIES.iter().map(|entry| entry.name).chain(installed);
    let mut alike: Vec<(f64, &str)> = known
        .map(|other| (strsim::jaro_winkler(name, other), other))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .collect();
    alike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    alike.dedup_by_key(|(_, other)| *other);
    alike.into_iter().map(|(_, other)| other.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_name() {
        assert_eq!(names("debian:12-bulid", std::iter::empty())[0], "debian:12-build");
        assert_eq!(names("debain:12", std::iter::empty())[0], "debian:12");
        assert_eq!(names("myimgae", ["myimage"].into_iter()), ["myimage"]);
        assert!(names("python", std::iter::empty()).is_empty());
    }
}
