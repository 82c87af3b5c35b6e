//! Maven and Gradle builds, through their wrappers where they are committed. Pure.

use super::{Detected, Draft, Look, ProjectKind};
use crate::config::model::Kind;

pub(super) fn find(look: &Look<'_>, found: &mut Detected) {
    const GRADLE: [&str; 4] = ["settings.gradle", "settings.gradle.kts", "build.gradle", "build.gradle.kts"];
    let names: Vec<&str> = ["pom.xml"].into_iter().chain(GRADLE).collect();
    let (homes, _) = look.homes(&names, |_| false);
    for folder in &homes {
        // A wrapper is a POSIX shell script; through `sh` it runs without its executable bit, too.
        let (tool, build, test) = if look.has(folder, "pom.xml") {
            let mvn = if look.has(folder, "mvnw") { "sh ./mvnw" } else { "mvn" };
            ("maven", format!("{mvn} -B -ntp -DskipTests package"), format!("{mvn} -B -ntp test"))
        } else {
            let gradle = if look.has(folder, "gradlew") { "sh ./gradlew" } else { "gradle" };
            ("gradle", format!("{gradle} --no-daemon assemble"), format!("{gradle} --no-daemon check"))
        };
        let step =
            |role, run, kind| Draft { role, run, kind: Some(kind), lock: Some("java-target"), ..Draft::default() };
        let test = Draft { after: vec!["build"], ..step("test", test, Kind::Test) };
        found.add(ProjectKind::Java, folder, tool, vec![step("build", build, Kind::Build), test]);
    }
}
