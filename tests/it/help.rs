//! What `--help` and the manual page say of every command.

use crate::world::World;

/// The commands that `wf --help` lists.
fn commands(world: &World) -> Vec<String> {
    let help = world.wf(&["--help"]).passed().out;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    listed.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn the_first_screen_of_every_help_has_three_examples() {
    let world = World::new("");
    let commands = commands(&world);
    assert!(commands.len() > 10, "{commands:?}");
    for command in std::iter::once("").chain(commands.iter().map(String::as_str)) {
        let words: Vec<&str> = command.split_terminator(' ').chain(["--help"]).collect();
        let help = world.wf(&words).passed().out;
        let screen = help.lines().take(40).skip_while(|line| *line != "Examples:").skip(1);
        let start = format!("  wf {command}");
        let examples = screen.take_while(|line| line.starts_with(start.trim_end())).count();
        assert!(examples >= 3, "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}

#[test]
fn the_manual_page_tells_every_command_and_flag() {
    let world = World::new("");
    let page = world.wf(&["man"]).passed().out;
    for command in commands(&world) {
        assert!(page.contains(&format!(".SH \"WF {}\"\n", command.to_uppercase())), "{command}");
    }
    assert!(page.contains(r"\-\-keep\-going") && page.contains(r"\-\-template"), "{page}");
    assert!(!page.contains("(1)\n"), "a page that nobody has is referred to: {page}");
    assert_eq!(page.matches(r"\-\-config\-file\fR \fI<FILE>").count(), 1, "{page}");
}
