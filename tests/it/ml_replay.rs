//! `wf ml replay`: recorded histories as tables and as one document.

use crate::world::World;
use std::fmt::Write as _;
use std::io::Write as _;

/// Ten cycles of two tests that always take 1 and 10 seconds; so nobody errs.
fn steady() -> String {
    let mut text = String::from("cycle,test,duration_s\n");
    (1..=10).for_each(|cycle| write!(text, "{cycle},a,1\n{cycle},b,10\n").unwrap());
    text
}

#[test]
fn a_history_is_measured_plain_or_packed_and_means_are_told() {
    let world = World::new("");
    std::fs::write(world.root.join("h.csv"), steady()).unwrap();
    let file = std::fs::File::create(world.root.join("h.csv.gz")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    packed.write_all(steady().as_bytes()).unwrap();
    packed.finish().unwrap();
    let said = world.wf(&["ml", "replay", "h.csv", "h.csv.gz"]).passed();
    let headings: Vec<&str> = said.out.lines().filter(|line| line.ends_with(": durations")).collect();
    assert_eq!(headings, ["h.csv: durations", "h.csv.gz: durations", "mean: durations"]);
    assert!(said.out.lines().all(|line| line.trim_end() == line), "{}", said.out);
    let json = world.wf(&["ml", "replay", "--json", "h.csv"]).passed().out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["format"], &json["means"]), (&serde_json::json!(1), &serde_json::json!([])));
    let section = &json["sections"][0];
    assert_eq!((&section["file"], &section["name"]), (&serde_json::json!("h.csv"), &serde_json::json!("durations")));
    let wf = &section["rows"][0];
    assert_eq!((&wf["method"], &wf["metrics"]["scored"]), (&serde_json::json!("wf"), &serde_json::json!(14.0)));
    assert!(wf["metrics"]["wape"].as_f64().unwrap() < 1e-6, "{wf}");
    assert_eq!(wf["metrics"]["coverage80"], serde_json::json!(100.0));
}

#[test]
fn what_is_no_history_is_refused() {
    let world = World::new("");
    std::fs::write(world.root.join("x.csv"), "a,b\n1,2\n").unwrap();
    std::fs::write(world.root.join("y.csv"), "cycle,test\n1,a\n").unwrap();
    let _ =
        world.wf(&["ml", "replay", "x.csv"]).exits(2).complains("x.csv: no known form of history has the columns a, b");
    let _ = world.wf(&["ml", "replay", "missing.csv"]).exits(3).complains("missing.csv");
    let _ = world.wf(&["ml", "replay", "y.csv"]).passed().says("nothing can be measured on this");
    let _ = world.wf(&["ml", "replay"]).exits(2).complains("FILE");
}

#[test]
fn predictions_of_many_steps_are_timed_without_a_file() {
    let world = World::new("");
    let json = world.wf(&["ml", "replay", "--json", "--predictions"]).passed().out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let row = &json["sections"][0]["rows"][0]["metrics"];
    assert_eq!((&row["steps"], &json["sections"][0]["name"]), (&10_000.0.into(), &"predictions".into()));
    assert!(row["fastest_ms"].as_f64() <= row["median_ms"].as_f64() && row["fastest_ms"].as_f64() > Some(0.0), "{row}");
}
