//! What Git would ignore of names that the source of a seed need not have.

use std::os::fd::AsFd;

use super::SeedOptions;
use super::directory::Root;
use super::git::{GitContext, Rules, Verdict};
use super::plan::{Origin, SeedPlan};
use super::warning::Warnings;

/// Tells of any path whether it would have been left out, had the source had it.
///
/// What is asked for in the order of a directory walk is told at the cost of its last component.
#[derive(Debug)]
pub struct SeedIgnores<'a> {
    /// `None` for archives, of which nothing is left out.
    source: Option<(&'a Root, GitContext)>,
    /// The root of the source and the directories on the way to the last path, with the rules that hold in them.
    way: Vec<(Vec<u8>, Rules)>,
}

impl<'a> SeedIgnores<'a> {
    /// `options` are those that the plan was made with.
    pub(super) fn new(plan: &'a SeedPlan, options: &SeedOptions) -> Self {
        let Origin::Directory(root) = &plan.origin else {
            return Self {
                source: None,
                way: Vec::new(),
            };
        };
        // What is wrong with ignore files was said when the plan was made.
        let mut warnings = Warnings::default();
        let context = GitContext::new(root.host_path(b""), options, &mut warnings);
        let rules = Rules::of_source(&context, &mut warnings);
        let mut ignores = Self {
            source: Some((root, context)),
            way: Vec::new(),
        };
        ignores.enter(b"", rules);
        ignores
    }

    /// Whether Git ignores the path, counted from the root of the seed, or a directory on the way to it.
    pub fn is_ignored(&mut self, path: &[u8], is_directory: bool) -> bool {
        while self.way.pop_if(|(above, _)| !is_below(path, above)).is_some() {}
        while let Some((above, rules)) = self.way.last() {
            let rest = path.get(above.len()..).unwrap_or_default();
            // Without the slash that the rest begins with, except below the root.
            let begin = above.len() + usize::from(rest.starts_with(b"/"));
            let name = path[begin..].iter().position(|&byte| byte == b'/');
            let Some(length) = name else {
                return matches!(rules.judge(path, is_directory), Verdict::Leave);
            };
            let directory = &path[..begin + length];
            match rules.judge(directory, true) {
                Verdict::Leave => return true,
                Verdict::Keep(rules) => self.enter(directory, rules),
            }
        }
        false
    }

    /// Goes on to a directory, which the source need not have.
    fn enter(&mut self, path: &[u8], rules: Rules) {
        let Some((root, context)) = &self.source else {
            return;
        };
        let rules = match root.directory(path) {
            Ok(handle) => rules.enter(context, handle.as_fd(), path, &mut Warnings::default()),
            Err(_) => rules,
        };
        self.way.push((path.to_vec(), rules));
    }
}

/// Whether a path is below a directory; the root's is empty.
fn is_below(path: &[u8], directory: &[u8]) -> bool {
    directory.is_empty()
        || path
            .strip_prefix(directory)
            .is_some_and(|rest| rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn plan(source: &Path, options: &SeedOptions) -> SeedPlan {
        SeedPlan::new(source, options, &mut |_| {}, &AtomicBool::new(false)).unwrap()
    }

    fn work_tree(at: &Path) {
        for directory in [".git/objects", ".git/refs"] {
            fs::create_dir_all(at.join(directory)).unwrap();
        }
        fs::write(at.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
    }

    #[test]
    fn names_that_the_source_lacks_are_judged_by_its_rules() {
        let dir = tempfile::tempdir().unwrap();
        work_tree(dir.path());
        fs::write(
            dir.path().join(".gitignore"),
            "target/\n*.log\n/only-here\n!kept.log\n",
        )
        .unwrap();
        fs::create_dir_all(dir.path().join("src/deep")).unwrap();
        fs::write(dir.path().join("src/.gitignore"), "*.tmp\n").unwrap();
        let options = SeedOptions::default();
        let plan = plan(dir.path(), &options);
        let mut ignores = plan.ignores(&options);
        for (path, is_directory, expected) in [
            ("target", true, true),
            ("target/debug/deps/x", false, true),
            ("target", false, false),
            ("missing/target/x", false, true),
            ("missing/a.log", false, true),
            ("missing/kept.log", false, false),
            ("missing/a.tmp", false, false),
            ("only-here", false, true),
            ("src/only-here", false, false),
            ("src/a.tmp", false, true),
            ("src/deep/a.tmp", false, true),
            ("src/missing/a.tmp", false, true),
            ("src2/a.tmp", false, false),
            ("src/deep", true, false),
            (".git/a.log", false, false),
            ("a.log", false, true),
        ] {
            assert_eq!(
                ignores.is_ignored(path.as_bytes(), is_directory),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn nothing_is_ignored_outside_of_work_trees_or_if_all_is_wanted() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".gitignore"), "*.log\n").unwrap();
        let mut options = SeedOptions::default();
        assert!(
            !plan(dir.path(), &options)
                .ignores(&options)
                .is_ignored(b"a/b.log", false)
        );
        work_tree(dir.path());
        assert!(
            plan(dir.path(), &options)
                .ignores(&options)
                .is_ignored(b"a/b.log", false)
        );
        options.include_ignored = true;
        assert!(
            !plan(dir.path(), &options)
                .ignores(&options)
                .is_ignored(b"a/b.log", false)
        );
    }

    #[test]
    fn a_plan_tells_what_it_has() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::write(dir.path().join("a/file"), "x").unwrap();
        let plan = plan(dir.path(), &SeedOptions::default());
        for (path, expected) in [
            ("", Some(true)),
            ("a", Some(true)),
            ("a/b", Some(true)),
            ("a/file", Some(false)),
            ("a/file/x", None),
            ("b", None),
            ("a/none/x", None),
        ] {
            assert_eq!(plan.is_directory(path.as_bytes()), expected, "{path}");
        }
    }
}
