//! Tables → help, manual pages, completions.

use std::process::Command;

use nsplan::cli::completions::completions;
use nsplan::cli::help::help;
use nsplan::cli::man::man;
use nsplan::cli::nsinit::table::NSINIT;

use crate::support::snapshot;

#[test]
fn help_is_as_it_was_and_fits_a_terminal() {
    snapshot("nsinit", "help", "nsinit help", &help(&NSINIT, None));
    for verb in NSINIT.verbs {
        let (about, text) = (format!("nsinit help {}", verb.name), help(&NSINIT, Some(verb)));
        snapshot("nsinit", &format!("help-{}", verb.name), &about, &text);
        for line in text.lines() {
            assert!(line.chars().count() <= 80 && line == line.trim_end(), "{line}");
        }
    }
}

#[test]
fn manual_pages_and_completions_are_of_this_program() {
    for verb in NSINIT.verbs.iter().map(Some).chain([None]) {
        let page = man(&NSINIT, verb);
        assert!(page.starts_with(".TH NSINIT") && !page.contains("nsplan"), "{page}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = completions(&NSINIT, shell);
        assert!(!script.contains("nsplan"), "{script}");
        for option in ["userns-root-uid", "veth-bridge", "log-file"] {
            assert!(script.contains(option), "{shell}: {option}");
        }
    }
    let script = format!(
        "{}\nCOMP_WORDS=(nsinit exec --security ''); COMP_CWORD=3; _nsinit; echo \"${{COMPREPLY[@]}}\"",
        completions(&NSINIT, "bash")
    );
    let output = Command::new("bash").args(["-c", &script]).output().expect("bash");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "high medium low\n");
}
