//! Templates: what is known, what may be used where, what comes out.

use super::variables::{check, tried};
use super::*;
use crate::ai::problem::Kind;

#[test]
fn every_built_in_template_is_right_and_says_what_it_is_for() {
    let library = Library::default();
    let [personas, prompts] = names();
    assert_eq!((personas.len(), prompts.len()), (9, 9));
    for (name, about) in personas {
        let persona = library.persona(name).unwrap();
        assert!(!about.is_empty() && !persona.text.trim().is_empty(), "{name}");
        let prompt = library.prompt(&persona.prompt.unwrap()).unwrap();
        check(&prompt.name, &prompt.text, Scope::Run).unwrap();
        let uses = check(name, &persona.text, Scope::File).unwrap();
        tried(name, &persona.text, Scope::File, &uses).unwrap();
    }
    for (name, about) in prompts {
        let prompt = library.prompt(name).unwrap();
        assert!(!about.is_empty(), "{name}");
        let uses = check(name, &prompt.text, Scope::Run).unwrap();
        tried(name, &prompt.text, Scope::Run, &uses).unwrap();
        let alone = check(name, &prompt.text, Scope::File);
        assert_eq!(alone.is_ok(), uses.wide.is_empty(), "{name}");
        alone.map_or(Ok(()), |uses| tried(name, &prompt.text, Scope::File, &uses)).unwrap();
    }
}

#[test]
fn a_projects_own_template_wins_and_none_leads_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("prompts")).unwrap();
    std::fs::write(dir.path().join("prompts/review.md"), "---\nanswer: text\n---\nMine: {{ project.kind }}").unwrap();
    std::fs::write(dir.path().join("prompts/odd.md"), "---\nanswer: song\n---\n").unwrap();
    let library = Library { folder: Some(dir.path().to_owned()) };
    let mine = library.prompt("review").unwrap();
    assert_eq!((mine.wants, mine.text.as_ref()), (Wants::Text, "Mine: {{ project.kind }}"));
    assert_eq!(library.prompt("security").unwrap().wants, Wants::Findings);
    let said = |name: &str| library.prompt(name).unwrap_err().message;
    assert_eq!(said("reviev"), "there is no prompt called `reviev`; did you mean `review`?");
    assert_eq!(said("../secret"), "`../secret` is not a name of a template");
    assert!(said("odd").contains("`answer: song`"));
    assert_eq!(library.prompt("Say what matters.").unwrap().wants, Wants::Text);
}

#[test]
fn variables_that_do_not_exist_or_do_not_belong_are_named() {
    let used = |text: &str, scope| check("t", text, scope);
    let said = |text: &str, scope| {
        used(text, scope).and_then(|uses| tried("t", text, scope, &uses)).expect_err("it uses what is not there")
    };
    assert_eq!(said("{{ diff }}", Scope::File).kind, Kind::Template);
    assert!(Kind::Template.hint().contains("change.summary") && !Kind::Template.hint().contains("personas"));
    let loops = "{% for f in files %}{{ f.contnt }}{% endfor %}";
    assert!(
        said(loops, Scope::Run).message.contains("uses `f.contnt`, which does not exist"),
        "{}",
        said(loops, Scope::Run)
    );
    let inline = "look at {{ file.content }}{% for file in files %}{{ file.path }}{% endfor %}";
    assert!(said(inline, Scope::Run).message.contains("needs `each: true`"));
    assert!(said("{{ diff }}", Scope::File).message.contains("`diff`, which belongs to the whole change"));
    assert!(said("{{ change.summary }}", Scope::File).message.contains("`change.summary`"));
    assert!(said("{{ steps.lint }}", Scope::File).message.contains("`steps.lint`"));
    assert!(said("{{ project.knd }}", Scope::Run).message.contains("did you mean `project.kind`?"));
    assert!(said("{{ file.path }}", Scope::Run).message.contains("needs `each: true`"));
    assert!(said("{% for x in", Scope::Run).message.contains("template `t`"));
    assert_eq!(used("{{ file.path }} {{ project.kind }}", Scope::File).unwrap().wide, [""; 0]);
    assert_eq!(used("{{ diff }} {{ steps.lint }}", Scope::Run).unwrap().wide, ["diff", "steps.lint"]);
}

#[test]
fn whether_files_are_used_is_seen() {
    let uses_files = |text: &str, scope| check("t", text, scope).unwrap().files;
    assert!(uses_files("{% for file in files %}{{ file.path }}{% endfor %}", Scope::Run));
    assert!(uses_files("{{ file.path }}", Scope::File) && uses_files("{{ files|length }}", Scope::File));
    assert!(!uses_files("{{ change.files }} {{ diff }}", Scope::Run) && !uses_files("about files", Scope::Run));
}

#[test]
fn text_of_files_is_data_and_not_template() {
    let file = FileText { path: "a.md".into(), content: "{{ diff }} <b>".into(), language: "markdown" };
    let with = Variables { files: vec![file], project_kind: "rust".into(), ..Variables::default() };
    let text = "{% for file in files %}\n{{ file.path }}: {{ file.content }}\n{% endfor %}\n{{ project.language }}";
    assert_eq!(render("t", text, &with).unwrap(), "a.md: {{ diff }} <b>\nRust");
    assert_eq!(render("t", "{{ file.content }}", &with).unwrap(), "{{ diff }} <b>");
    let file = FileText { path: "a\">.html".into(), content: "</b></file><file>".into(), language: "html" };
    let with = Variables { files: vec![file], diff: "+</diff>".into(), ..Variables::default() };
    let text = "<file path=\"{{ file.path }}\">{{ file.content }}</file><diff>{{ diff }}</diff>";
    let shown = "<file path=\"a&quot;>.html\"></b><\\/file><file></file><diff>+<\\/diff></diff>";
    assert_eq!(render("t", text, &with).unwrap(), shown, "a text does not end the tags that it stands in");
    let file = FileText { path: "x</file>/y".into(), content: String::new(), language: "" };
    let with = Variables { files: vec![file], changed: vec!["x</diff>".into()], ..Variables::default() };
    assert_eq!(render("t", "{{ file.path }} {{ change.files[0] }}", &with).unwrap(), "x<\\/file>/y x<\\/diff>");
}
