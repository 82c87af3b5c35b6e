//! Templates: what is known, what may be used where, what comes out.

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
        check(name, &persona.text, Scope::File).unwrap();
    }
    for (name, about) in prompts {
        let prompt = library.prompt(name).unwrap();
        assert!(!about.is_empty(), "{name}");
        let wide = check(name, &prompt.text, Scope::Run).unwrap();
        assert_eq!(check(name, &prompt.text, Scope::File).is_ok(), wide.is_empty(), "{name}");
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
    assert_eq!((mine.wants, mine.text.as_str()), (Wants::Text, "Mine: {{ project.kind }}"));
    assert_eq!(library.prompt("security").unwrap().wants, Wants::Findings);
    let said = |name: &str| library.prompt(name).unwrap_err().message;
    assert_eq!(said("reviev"), "there is no prompt called `reviev`; did you mean `review`?");
    assert_eq!(said("../secret"), "`../secret` is not a name of a template");
    assert!(said("odd").contains("`answer: song`"));
    assert_eq!(library.prompt("Say what matters.").unwrap().wants, Wants::Text);
}

#[test]
fn variables_that_do_not_exist_or_do_not_belong_are_named() {
    let said = |text: &str, scope| check("t", text, scope).unwrap_err();
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
    assert_eq!(check("t", "{{ file.path }} {{ project.kind }}", Scope::File).unwrap(), [""; 0]);
    assert_eq!(check("t", "{{ diff }} {{ steps.lint }}", Scope::Run).unwrap(), ["diff", "steps.lint"]);
}

#[test]
fn whether_files_are_used_is_seen() {
    assert!(mentions_files("{% for file in files %}{{ file.path }}{% endfor %}") && mentions_files("{{ file.path }}"));
    assert!(!mentions_files("{{ change.files }} {{ diff }}") && !mentions_files("about files"));
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
}
