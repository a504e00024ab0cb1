//! Words → `Request`.

use std::ffi::OsString;

use nsplan::cli::args::Given;
use nsplan::cli::nsinit::args::{Action, Request, parse};
use nsplan::cli::nsinit::table::{Command, NSINIT};
use nsplan::cli::report::Failure;
use nsplan::cli::spec::Takes;

fn request(line: &str) -> Result<Request, Failure> {
    parse(line.split(' ').filter(|word| !word.is_empty()).map(OsString::from).collect())
}

#[track_caller]
fn exec(line: &str) -> (String, Vec<String>, Vec<String>, Vec<String>) {
    match request(line).unwrap_or_else(|failure| panic!("{line}: {failure}")).action {
        Action::Exec { id, process, template, words, .. } => {
            let said = |given: Vec<Given>| given.iter().map(Given::to_string).collect();
            (id.to_string(), said(process), said(template), words)
        }
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn options_end_at_the_first_word_of_the_program() {
    let (id, process, template, words) =
        exec("exec --id web -t --hostname x sh -c x --hostname y -t");
    assert_eq!(id, "web");
    assert_eq!(process, ["-t"]);
    assert_eq!(template, ["--hostname x"]);
    assert_eq!(words, ["sh", "-c", "x", "--hostname", "y", "-t"]);
    let (id, .., words) = exec("exec -- -x -t");
    assert_eq!((id.as_str(), words), ("nsinit", vec!["-x".to_owned(), "-t".to_owned()]));
}

#[test]
fn global_options_stand_before_the_verb_or_after_it() {
    for line in ["--root /r --debug --log-file l exec sh", "exec --root /r --debug --log-file l sh"]
    {
        let request = request(line).unwrap();
        assert_eq!(request.root.as_deref(), Some("/r"), "{line}");
        assert_eq!(request.log_file.as_deref(), Some("l"), "{line}");
        assert!(request.debug, "{line}");
    }
}

#[test]
fn every_option_of_every_verb_is_understood() {
    for verb in NSINIT.verbs {
        for opt in NSINIT.options(verb) {
            let words = match verb.id {
                Command::Exec if opt.long == "func" => "exec sh",
                Command::Exec => "sh",
                Command::Completions => "bash",
                _ => "",
            };
            let value = match opt.takes {
                Takes::Nothing => "",
                // The function's name is the first word of the rest.
                _ if opt.long == "func" => " ",
                _ => " 1",
            };
            let line = format!("{} --{}{value} {words}", verb.name, opt.long);
            request(&line).unwrap_or_else(|failure| panic!("{line}: {failure}"));
        }
    }
}

#[test]
fn no_words_ask_for_help() {
    assert!(matches!(request("").unwrap().action, Action::Help(None)));
    assert!(matches!(request("--version").unwrap().action, Action::Version));
    assert!(matches!(request("exec --list").unwrap().action, Action::Functions));
    let Action::Running { command, id } = request("pause").unwrap().action else { panic!() };
    assert_eq!((command, id.as_str()), (Command::Pause, "nsinit"));
}
