//! Tables → help, manual pages, completions.

use std::io::Write as _;
use std::process::{Command, Stdio};

use nsplan::cli::completions::completions;
use nsplan::cli::help::help;
use nsplan::cli::man::man;
use nsplan::cli::verbs::{NSPLAN, SHELLS, VERBS};

use super::support::snapshot;

#[test]
fn help_is_as_it_was() {
    snapshot("cli", "help", "nsplan help", &help(&NSPLAN, None));
    for verb in &VERBS {
        let about = format!("nsplan help {}", verb.name);
        snapshot("cli", &format!("help-{}", verb.name), &about, &help(&NSPLAN, Some(verb)));
    }
}

#[test]
fn help_fits_a_terminal() {
    for verb in VERBS.iter().map(Some).chain([None]) {
        for line in help(&NSPLAN, verb).lines() {
            assert!(line.chars().count() <= 80, "{line}");
            assert_eq!(line, line.trim_end(), "{line}");
        }
    }
}

/// Runs a checker on a text; `None` where it is not installed.
fn check(program: &str, args: &[&str], text: &str) -> Option<(bool, String)> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    Some((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[test]
fn shells_accept_their_completions() {
    for shell in SHELLS {
        let script = completions(&NSPLAN, shell);
        let Some((accepted, complaint)) = check(shell, &["-n"], &script) else {
            println!("{shell} is not installed");
            continue;
        };
        assert!(accepted && complaint.is_empty(), "{shell}: {complaint}");
    }
    assert_eq!(completions(&NSPLAN, "tcsh"), "");
}

#[test]
fn completions_know_every_verb_and_option() {
    for shell in SHELLS {
        let script = completions(&NSPLAN, shell);
        for verb in &VERBS {
            assert!(script.contains(verb.name), "{shell}: {}", verb.name);
            for opt in verb.options() {
                assert!(script.contains(opt.long), "{shell}: {}", opt.long);
            }
        }
    }
}

#[test]
fn bash_offers_what_fits() {
    let offer = |words: &[&str]| {
        let script = format!(
            "{}\nCOMP_WORDS=(nsplan {}); COMP_CWORD={}; _nsplan; echo \"${{COMPREPLY[@]}}\"",
            completions(&NSPLAN, "bash"),
            words.iter().map(|word| format!("'{word}' ")).collect::<String>(),
            words.len()
        );
        let output = Command::new("bash").args(["-c", &script]).output().expect("bash");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    assert_eq!(offer(&["pl"]), "plan");
    assert_eq!(offer(&["do", "--memory-s"]), "--memory-swap --memory-swappiness");
    assert_eq!(offer(&["do", "--net", ""]), "none host");
    assert_eq!(offer(&["--debug", "help", "pro"]), "probe");
    assert_eq!(offer(&["completions", "f"]), "fish");
}

#[test]
fn manual_pages_are_good_roff() {
    for verb in VERBS.iter().map(Some).chain([None]) {
        let page = man(&NSPLAN, verb);
        for section in [".SH NAME\n", ".SH SYNOPSIS\n", ".SH EXIT STATUS\n"] {
            assert!(page.contains(section), "{section}");
        }
        let args = ["-man", "-Tutf8", "-Kutf8", "-ww", "-z"];
        match check("groff", &args, &page) {
            Some((accepted, complaint)) => assert!(accepted && complaint.is_empty(), "{complaint}"),
            None => println!("groff is not installed"),
        }
    }
}
