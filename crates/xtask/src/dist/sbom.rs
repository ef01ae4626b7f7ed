//! The bill of materials: every library in the program, as JSON of `CycloneDX`.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::PACKAGE;
use crate::cargo::workspace;

/// A package, and what it depends on; both by their package URL.
#[derive(Debug)]
struct Component {
    name: String,
    version: String,
    licence: String,
    dependencies: BTreeSet<String>,
}

/// Writes the bill of the shipped program.
///
/// # Errors
///
/// When Cargo cannot tell the dependencies, or the file cannot be written.
pub(super) fn write(file: &Path) -> Result<()> {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        // Only what is linked: neither build scripts' dependencies nor tests'.
        .args(["tree", "--locked", "--package", PACKAGE, "--edges", "normal,no-proc-macro"])
        .args(["--prefix", "depth", "--format", " {p}\t{l}"])
        .current_dir(workspace())
        .output()
        .context("cannot run cargo tree")?;
    ensure!(output.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    let components = components(&String::from_utf8(output.stdout)?)?;
    println!("    {} components", components.len());
    Ok(fs::write(file, serde_json::to_string_pretty(&document(&components))?)?)
}

/// The components of a tree whose lines are `DEPTH NAME vVERSION [(PATH)][ (*)]<tab>LICENCE[ (*)]`.
fn components(tree: &str) -> Result<BTreeMap<String, Component>> {
    let mut components: BTreeMap<String, Component> = BTreeMap::new();
    // The packages from the root to the line before.
    let mut path: Vec<String> = Vec::new();
    for line in tree.lines() {
        let (package, licence) = line.split_once('\t').context("a line without a licence")?;
        let mut words = package.split_whitespace();
        let mut word = || words.next().with_context(|| format!("cannot understand {line:?}"));
        let (depth, name, version) = (word()?.parse::<usize>()?, word()?, word()?.trim_start_matches('v'));
        let id = format!("pkg:cargo/{name}@{version}");
        components.entry(id.clone()).or_insert_with(|| Component {
            name: name.to_owned(),
            version: version.to_owned(),
            // A package that stands in the tree a second time is marked so, without its dependencies.
            licence: licence.trim_end_matches(" (*)").to_owned(),
            dependencies: BTreeSet::new(),
        });
        path.truncate(depth);
        if let Some(parent) = path.last().and_then(|parent| components.get_mut(parent)) {
            parent.dependencies.insert(id.clone());
        }
        path.push(id);
    }
    Ok(components)
}

fn document(components: &BTreeMap<String, Component>) -> Value {
    let entry = |(id, component): (&String, &Component)| {
        json!({
            "type": "library",
            "bom-ref": id,
            "purl": id,
            "name": component.name,
            "version": component.version,
            "licenses": [{ "expression": component.licence.replace('/', " OR ") }],
        })
    };
    let root = format!("pkg:cargo/{PACKAGE}@{}", env!("CARGO_PKG_VERSION"));
    let dependencies: Vec<Value> = components
        .iter()
        .map(|(id, component)| json!({ "ref": id, "dependsOn": component.dependencies }))
        .collect();
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": {
            "type": "application",
            "bom-ref": root,
            "purl": root,
            "name": PACKAGE,
            "version": env!("CARGO_PKG_VERSION"),
            "licenses": [{ "expression": "Apache-2.0" }],
        } },
        "components": components.iter().filter(|(id, _)| **id != root).map(entry).collect::<Vec<_>>(),
        "dependencies": dependencies,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_becomes_components_with_their_dependencies() {
        let tree = "\
0 worker v0.1.0 (/src/crates/worker)\tApache-2.0
1 a v1.2.3\tMIT OR Apache-2.0
2 b v2.0.0\tMIT/Apache-2.0
1 c v3.0.0\tISC
2 a v1.2.3\tMIT OR Apache-2.0 (*)
";
        let components = components(tree).unwrap();
        let dependencies =
            |id: &str| components[id].dependencies.iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(components.len(), 4);
        assert_eq!(dependencies("pkg:cargo/worker@0.1.0"), ["pkg:cargo/a@1.2.3", "pkg:cargo/c@3.0.0"]);
        assert_eq!(dependencies("pkg:cargo/a@1.2.3"), ["pkg:cargo/b@2.0.0"]);
        assert_eq!(dependencies("pkg:cargo/c@3.0.0"), ["pkg:cargo/a@1.2.3"]);
        assert_eq!(components["pkg:cargo/a@1.2.3"].licence, "MIT OR Apache-2.0");
        let document = document(&components);
        assert_eq!(document["components"][1]["licenses"][0]["expression"], "MIT OR Apache-2.0");
    }
}
