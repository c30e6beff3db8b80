//! Keeps what is written around the code true: every dependency has its reason, links lead somewhere, and nothing of the
//! machine on which somebody worked got into the tree.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Text files larger than this are data, and none of ours.
const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024;
const FILES_MAX: usize = 5_000;

/// A comment above dependencies may speak for so many of them, as for `serde` and `serde_json`.
const LINES_PER_REASON_MAX: usize = 2;

/// Directories that are not the project's papers.
const NOT_OURS: [&str; 3] = [".git", "target", "node_modules"];

/// Where the project's own files lie, as pages name them.
const DIRECTORIES: [&str; 8] = ["src/", "tests/", "docs/", "config/", "systemd/", "packaging/", "benches/", ".ci/"];

/// Places that exist only where somebody worked, and hosts that only a package manager should name. In halves, so that
/// this file does not find itself.
const BANNED: [(&str, &str); 9] = [
    ("/home", "/"),
    ("/root", "/"),
    ("/Users", "/"),
    ("/work", "/"),
    ("index.crates", ".io"),
    ("static.crates", ".io"),
    ("registry.npm", "js.org"),
    ("files.python", "hosted.org"),
    ("proxy.go", "lang.org"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file of the tree. `Cargo.lock` is cargo's own: it has to name the registry.
fn papers() -> io::Result<Vec<(PathBuf, String)>> {
    let mut directories = vec![root().to_path_buf()];
    let mut papers = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() && !NOT_OURS.iter().any(|not_ours| name == *not_ours) {
                directories.push(path);
            } else if kind.is_file()
                && name != "Cargo.lock"
                && name != ".git"
                && entry.metadata()?.len() <= FILE_BYTES_MAX
            {
                // what is not UTF-8 is no paper
                papers.extend(fs::read_to_string(&path).ok().map(|text| (path, text)));
            }
            if papers.len() > FILES_MAX {
                return Err(io::Error::other("more files than the project has: is something left over?"));
            }
        }
    }
    Ok(papers)
}

/// Dependencies without a comment above or beside them.
fn without_reason(manifest: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut in_dependencies = false;
    let mut spoken_for = 0;
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            in_dependencies = line.contains("dependencies");
            spoken_for = 0;
        } else if line.starts_with("# ---") || line.is_empty() {
            spoken_for = 0;
        } else if line.starts_with('#') {
            spoken_for = LINES_PER_REASON_MAX;
        } else if in_dependencies && line.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            let beside = line.split_once(" # ").is_some_and(|(_, reason)| !reason.trim().is_empty());
            if !beside && spoken_for == 0 {
                faults.push(line.to_owned());
            }
            spoken_for = if beside { 0 } else { spoken_for - usize::from(spoken_for > 0) };
        }
    }
    faults
}

fn banned_words(text: &str) -> Vec<String> {
    let words = BANNED.iter().map(|(head, tail)| format!("{head}{tail}"));
    words.filter(|word| text.match_indices(word.as_str()).any(|(at, _)| begins(text, at))).collect()
}

/// Whether a path or a host begins here, and not the middle of a longer one: `region.example/home/` is an address.
fn begins(text: &str, at: usize) -> bool {
    let before = text.get(..at).and_then(|head| head.chars().next_back());
    !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '}' | ')'))
}

/// Targets of a page's links that ought to be files of the tree. Code blocks hold no links.
fn local_links(page: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut in_code = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            let targets = targets.filter(|target| {
                !target.contains("://") && !target.starts_with(['#', '<']) && !target.starts_with("mailto:")
            });
            links.extend(targets.filter_map(|target| target.split('#').next()).map(str::to_owned));
        }
    }
    links
}

/// Files that a page names in `code`: paths that begin with a directory of the tree, and sources named below `src/`.
fn named_files(page: &str) -> Vec<String> {
    let spans = page.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let named = spans.filter(|span| span.ends_with(".rs") || DIRECTORIES.iter().any(|head| span.starts_with(head)));
    named.filter(|span| !span.contains([' ', '*', '{', '<', '…', ':'])).map(str::to_owned).collect()
}

#[cfg(test)]
mod the_papers {
    use super::*;

    fn pages() -> Vec<(PathBuf, String)> {
        papers().unwrap().into_iter().filter(|(path, _)| path.extension().is_some_and(|ext| ext == "md")).collect()
    }

    #[test]
    fn every_dependency_has_its_reason() {
        let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        assert_eq!(without_reason(&manifest), [""; 0]);
    }

    #[test]
    fn nothing_names_the_machine_on_which_it_was_written() {
        for (path, text) in papers().unwrap() {
            assert_eq!(banned_words(&text), [""; 0], "{}", path.display());
        }
    }

    #[test]
    fn every_link_leads_to_a_file() {
        for (path, text) in pages() {
            let base = path.parent().unwrap();
            let dead: Vec<String> = local_links(&text).into_iter().filter(|link| !base.join(link).exists()).collect();
            assert_eq!(dead, [""; 0], "{}", path.display());
        }
    }

    #[test]
    fn every_file_that_a_page_names_is_there() {
        for (path, text) in pages() {
            let there = |file: &String| root().join(file).exists() || root().join("src").join(file).exists();
            let gone: Vec<String> = named_files(&text).into_iter().filter(|file| !there(file)).collect();
            assert_eq!(gone, [""; 0], "{}", path.display());
        }
    }

    #[test]
    fn the_papers_that_every_project_owes_are_there() {
        for paper in ["LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "deny.toml", "docs/architecture.md"]
        {
            assert!(root().join(paper).is_file(), "{paper} is missing");
        }
    }

    #[test]
    fn the_licence_is_the_one_of_the_manifest() {
        let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        let licence = fs::read_to_string(root().join("LICENSE")).unwrap();
        assert!(manifest.contains("license = \"EUPL-1.2\""));
        assert!(licence.starts_with("EUROPEAN UNION PUBLIC LICENCE v. 1.2\n") && licence.contains("15.Applicable Law"));
    }
}

#[cfg(test)]
mod the_rules {
    use super::*;

    #[test]
    fn a_dependency_without_a_reason_is_a_fault() {
        let manifest =
            "[dependencies]\n# Reads.\na = \"1\"\n\nb = \"1\"\nc = { version = \"1\" } # writes\nd = \"1\"\n";
        assert_eq!(without_reason(manifest), ["b = \"1\"", "d = \"1\""]);
        assert_eq!(without_reason("[dev-dependencies]\na = \"1\"\n"), ["a = \"1\""]);
    }

    #[test]
    fn a_headline_is_no_reason_and_a_reason_speaks_for_two() {
        assert_eq!(without_reason("[dependencies]\n# --- doors ---\na = \"1\"\n"), ["a = \"1\""]);
        assert_eq!(without_reason("[dependencies]\n# Shapes.\na = \"1\"\nb = \"1\"\nc = \"1\"\n"), ["c = \"1\""]);
    }

    #[test]
    fn what_is_no_dependency_needs_no_reason() {
        assert_eq!(without_reason("[package]\nname = \"x\"\n[lints.rust]\nunsafe_code = \"forbid\"\n"), [""; 0]);
    }

    #[test]
    fn the_path_of_a_home_is_a_fault() {
        let (head, tail) = BANNED[0];
        assert_eq!(banned_words(&format!("see {head}{tail}anna/notes")), [format!("{head}{tail}")]);
        assert_eq!(
            banned_words(&format!("https://region.example{head}{tail}, the homework, /var/lib/budkavle")),
            [""; 0]
        );
    }

    #[test]
    fn links_are_found_outside_code_only() {
        let page =
            "See [a](docs/a.md#part), [b](https://region.example/) and [c](#here).\n```\n[d](gone.md)\n```\n[e](e.md)";
        assert_eq!(local_links(page), ["docs/a.md", "e.md"]);
    }

    #[test]
    fn named_files_are_paths_and_not_patterns() {
        let page =
            "`src/a.json`, `store/view.rs`, all of `src/**/*.rs`, the room `store/`, `config/a.toml:7:1: x`, exit";
        assert_eq!(named_files(page), ["src/a.json", "store/view.rs"]);
    }
}
