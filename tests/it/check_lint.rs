//! `wf check --lint`: filters that do not mean what they say, each at its place, and what `--strict` makes of them.

use super::world::World;
use serde_json::Value;

const ODD: &str = "steps:\n  - id: a\n    run: sh scripts/x.sh\n    inputs: [\"src/**\", \"!docs/**\", lib/gone.rs]\n    cache: false\n\
                   \x20 - id: never\n    run: 'true'\n    inputs: [\"docs/**\"]\n    ignore: [docs]\n    cache: false\n";

fn world() -> World {
    let world = World::new(ODD);
    world.write("scripts/x.sh", "true\n").commit("script");
    world
}

#[test]
fn findings_have_places_and_carets() {
    let said = world().wf(&["check", "--lint"]).passed().says("is right");
    let said = said.complains("`!docs/**` in `a` takes nothing away").complains(".workflow-config.yaml:4:24");
    let said = said
        .complains("`lib/gone.rs`, which matches no file")
        .complains("no change to a file that is there can ever reach `never`");
    let said = said.complains("names `scripts/x.sh`, which it does not watch").complains("^^^");
    assert_eq!(said.err.matches("lib/gone.rs`, which matches").count(), 1, "{}", said.err);
    // Without the flag only what was always told.
    let plain = world().wf(&["check"]).passed().complains("warning: `a` watches `lib/gone.rs`");
    assert!(!plain.err.contains("takes nothing away"), "{}", plain.err);
}

#[test]
fn strict_ends_with_2_and_json_has_it_all() {
    let world = world();
    let _ = world.wf(&["check", "--lint", "--strict"]).exits(2).says("is right");
    let said = world.wf(&["check", "--lint", "--json"]).passed();
    let document: Value = serde_json::from_str(&said.out).unwrap();
    let rules: Vec<&str> =
        document["lint"].as_array().unwrap().iter().map(|one| one["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["own-script", "subtracts-nothing", "matches-nothing", "never-runs"]);
    assert_eq!(document["lint"][1]["at"]["line"], 4);
    assert_eq!((&document["ok"], &document["lint"][3]["step"]), (&Value::Bool(true), &Value::from("never")));
    let clean = World::new("steps:\n  - {id: a, run: 'true', inputs: [src/], cache: false}\n");
    let _ = clean.wf(&["check", "--lint", "--strict"]).passed();
}

#[test]
fn a_lone_subtraction_and_stars_beside_names_are_errors_at_their_place() {
    let world = World::new(
        "steps:\n  - {id: a, run: 'true', inputs: ['!docs/**']}\n  - {id: b, run: 'true', inputs: ['**.rs']}\n",
    );
    let said =
        world.wf(&["check", "--lint"]).exits(2).complains("nothing to subtract from").complains("put `\"**\"` before");
    let _ = said.complains("did you mean `**/*.rs`?").complains(":3:");
}
