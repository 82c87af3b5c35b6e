//! Maven: dependencies on modules of the same repository, by groupId and artifactId. Pure.

use super::{ManifestError, Reading, Texts, texts};
use crate::base::RepoPath;
use roxmltree::{Document, Node};
use std::collections::{BTreeMap, HashMap};

struct Pom<'a> {
    path: &'a RepoPath,
    project: Node<'a, 'a>,
}

pub(super) fn read(all: &Texts) -> Reading {
    let mut reading = Reading::default();
    let mut documents = Vec::new();
    for (folder, path, text) in texts(all, "pom.xml") {
        // DTDs stay off: entities are how XML attacks work, and Maven has no use for them.
        match Document::parse(text) {
            Ok(document) => documents.push((folder, path, document)),
            Err(error) => reading.errors.push(ManifestError { path: path.clone(), message: error.to_string() }),
        }
    }
    let poms: BTreeMap<&RepoPath, Pom<'_>> = documents
        .iter()
        .map(|(folder, path, document)| (folder, Pom { path, project: document.root_element() }))
        .collect();
    let mut modules: HashMap<&str, Vec<(String, &RepoPath)>> = HashMap::new();
    for (folder, pom) in &poms {
        let (Some(artifact), Some(group)) = (text(pom.project, "artifactId"), group(pom.project)) else { continue };
        modules.entry(artifact).or_default().push((group.to_owned(), folder));
    }
    for (folder, pom) in &poms {
        let chain = parents(folder, &poms);
        let mut manifests = vec![pom.path.clone()];
        manifests.extend(chain.iter().filter_map(|parent| poms.get(parent)).map(|parent| parent.path.clone()));
        // A parent beside this folder is a dependency; one above holds this folder, and only its pom.xml counts.
        for parent in chain.iter().filter(|parent| !folder.is_in(parent)) {
            reading.edges.push(((*folder).clone(), parent.clone()));
        }
        reading.packages.push(((*folder).clone(), manifests));
        let lineage: Vec<Node<'_, '_>> = std::iter::once(pom.project)
            .chain(chain.iter().filter_map(|at| poms.get(at)).map(|pom| pom.project))
            .collect();
        for node in lineage.iter().flat_map(Node::descendants).filter(|node| names_a_module(*node)) {
            let Some(artifact) = text(node, "artifactId") else { continue };
            let group = text(node, "groupId").map(|written| interpolate(written, &lineage));
            for (theirs, to) in modules.get(artifact).into_iter().flatten() {
                // A property that is set elsewhere may be anything: the artifact's name decides then.
                if group.as_deref().is_none_or(|group| group == theirs || group.contains("${") || theirs.contains("${"))
                {
                    reading.edges.push(((*folder).clone(), (*to).clone()));
                }
            }
        }
    }
    reading
}

/// A dependency, a plugin, or a bill of materials that is imported; versions that are only managed do not count.
fn names_a_module(node: Node<'_, '_>) -> bool {
    let managed =
        || node.ancestors().any(|above| matches!(above.tag_name().name(), "dependencyManagement" | "pluginManagement"));
    match node.tag_name().name() {
        "dependency" => !managed() || text(node, "scope") == Some("import"),
        "plugin" | "extension" => !managed(),
        _ => false,
    }
}

/// The parent's folder, the parent's parent's, … as far as they are in the repository.
fn parents(folder: &RepoPath, poms: &BTreeMap<&RepoPath, Pom<'_>>) -> Vec<RepoPath> {
    let (mut chain, mut at): (Vec<RepoPath>, RepoPath) = (Vec::new(), folder.clone());
    while let Some(parent) = poms.get(&at).and_then(|pom| child(pom.project, "parent")) {
        let relative = text(parent, "relativePath").unwrap_or("../pom.xml");
        let Some(path) = at.join(relative.as_bytes()) else { break };
        let next = if path.file_name() == b"pom.xml" { path.parent() } else { path };
        let is_it = poms.get(&next).is_some_and(|pom| text(pom.project, "artifactId") == text(parent, "artifactId"));
        if !is_it || chain.contains(&next) {
            break;
        }
        chain.push(next.clone());
        at = next;
    }
    chain
}

fn group<'a>(project: Node<'a, 'a>) -> Option<&'a str> {
    text(project, "groupId").or_else(|| text(child(project, "parent")?, "groupId"))
}

/// `${project.groupId}` and properties of the pom and its parents.
fn interpolate(written: &str, lineage: &[Node<'_, '_>]) -> String {
    let Some(name) = written.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else {
        return written.to_owned();
    };
    let property = |project: &Node<'_, '_>| text(child(*project, "properties")?, name).map(str::to_owned);
    let own = lineage.first().copied();
    match name {
        "project.groupId" | "pom.groupId" | "groupId" => own.and_then(|project| {
            text(project, "groupId").or_else(|| text(child(project, "parent")?, "groupId")).map(str::to_owned)
        }),
        "project.parent.groupId" => {
            own.and_then(|project| text(child(project, "parent")?, "groupId").map(str::to_owned))
        }
        _ => lineage.iter().find_map(property),
    }
    .unwrap_or_else(|| written.to_owned())
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| child.is_element() && child.tag_name().name() == name)
}

fn text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name)?.text().map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use crate::workspace::manifest::testing::{edges, errors};

    #[test]
    fn modules_by_coordinates_with_inherited_groups() {
        let root = "<project><groupId>org.x</groupId><artifactId>root</artifactId><properties><g>org.x</g></properties>\
                    <dependencyManagement><dependencies><dependency><groupId>org.x</groupId><artifactId>web</artifactId>\
                    </dependency></dependencies></dependencyManagement></project>";
        let module = |name: &str, dependencies: &[(&str, &str)]| {
            let dependency = |(g, a): &(&str, &str)| {
                ["<dependency><groupId>", g, "</groupId><artifactId>", a, "</artifactId></dependency>"].concat()
            };
            let listed: String = dependencies.iter().map(dependency).collect();
            format!(
                "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><parent><groupId>org.x</groupId>\
                 <artifactId>root</artifactId></parent><artifactId>{name}</artifactId>\
                 <dependencies>{listed}</dependencies></project>"
            )
        };
        let api = module("api", &[("${project.groupId}", "core"), ("${g}", "util"), ("org.other", "web")]);
        let files = [
            ("pom.xml", root),
            ("api/pom.xml", &api),
            ("core/pom.xml", &module("core", &[])),
            ("util/pom.xml", &module("util", &[("org.x", "core")])),
            ("web/pom.xml", &module("web", &[])),
        ];
        assert_eq!(edges(super::read, &files), ["api → core", "api → util", "util → core"]);
    }

    #[test]
    fn bad_xml_and_entities_are_named() {
        assert!(errors(super::read, &[("pom.xml", "<project>")])[0].starts_with("pom.xml: "));
        let bomb = "<!DOCTYPE p [<!ENTITY a 'aa'><!ENTITY b '&a;&a;'>]><project>&b;</project>";
        assert_eq!(errors(super::read, &[("pom.xml", bomb)]).len(), 1);
    }
}
