//! Links from one document to another lead to something that operators get, too.

use std::{env, fs, path::Path, process::Command};

use serde_json::Value;

use super::{FILES, PACKAGE};
use crate::cargo::workspace;

/// Where the Debian package has documents.
const DOCUMENTS: &str = "usr/share/doc/key-backup-worker/";

#[test]
fn links_in_the_archive_lead_to_what_is_in_it() {
    assert_eq!(dead_links(&FILES.map(str::to_owned)), Vec::<String>::new());
}

#[test]
fn links_in_the_debian_package_lead_to_what_is_in_it() {
    let shipped = documents_of_the_package();
    assert!(shipped.contains(&"docs".to_owned()), "{shipped:?}");
    // Debian has the licence in a file `copyright`, and takes no other.
    assert_eq!(dead_links(&shipped), ["README.md: LICENSE"]);
}

/// The files and folders of the repository that the package has at the same place below its documents.
fn documents_of_the_package() -> Vec<String> {
    let mut cargo = Command::new(env::var("CARGO").unwrap());
    let output = cargo.args(["metadata", "--no-deps", "--format-version", "1"]).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == PACKAGE).unwrap();
    let assets = package["metadata"]["deb"]["assets"].as_array().unwrap();
    assets.iter().filter_map(|asset| same_place(asset["source"].as_str()?, asset["dest"].as_str()?)).collect()
}

fn same_place(source: &str, dest: &str) -> Option<String> {
    let (source, place) =
        (source.strip_prefix("../../")?, dest.strip_prefix(DOCUMENTS)?.trim_end_matches('/'));
    let (folder, name) = source.strip_suffix("/**/*").map_or(("", source), |folder| (folder, folder));
    (place == folder).then(|| name.to_owned())
}

/// Links in these files and folders to anything that is not among them, each as `FILE: LINK`.
fn dead_links(shipped: &[String]) -> Vec<String> {
    let root = workspace().canonicalize().unwrap();
    let mut dead = Vec::new();
    for file in shipped {
        collect_dead_links(&root.join(file), &mut dead, &|path: &Path| {
            path.canonicalize().is_ok_and(|path| shipped.iter().any(|file| path.starts_with(root.join(file))))
        });
    }
    dead.iter().map(|link| link.replace(&format!("{}/", root.display()), "")).collect()
}

fn collect_dead_links(path: &Path, dead: &mut Vec<String>, is_shipped: &impl Fn(&Path) -> bool) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            collect_dead_links(&entry.unwrap().path(), dead, is_shipped);
        }
    } else if path.extension().is_some_and(|extension| extension == "md") {
        let text = fs::read_to_string(path).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
            if !is_shipped(&path.with_file_name(link)) {
                dead.push(format!("{}: {link}", path.display()));
            }
        }
    }
}
