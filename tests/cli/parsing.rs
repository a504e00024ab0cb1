//! Words → `Request`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use nsplan::cli::args::{Action, Given, Request, Subject, parse};
use nsplan::cli::life::Life;
use nsplan::cli::options::OptId;
use nsplan::cli::report::Failure;
use nsplan::cli::spec::{Opt, Takes, Verb, VerbId};
use nsplan::cli::verbs::{FOREIGN, VERBS};

fn request(line: &str) -> Result<Request, Failure> {
    parse(line.split(' ').filter(|word| !word.is_empty()).map(OsString::from).collect())
}

/// The options of a verb that can be reached behind it: `spec --rootless` is runc's, and hides `--rootless BOOL`.
fn options(verb: &'static Verb) -> impl Iterator<Item = &'static Opt> {
    let is_hidden = |opt: &Opt| verb.id == VerbId::Spec && opt.id == OptId::Rootless;
    verb.options().filter(move |opt| !is_hidden(opt))
}

#[track_caller]
fn request_of(line: &str) -> Request {
    request(line).unwrap_or_else(|failure| panic!("{line}: {failure}"))
}

#[track_caller]
fn sandboxed(line: &str) -> (Vec<String>, Vec<String>) {
    match request(line).unwrap_or_else(|failure| panic!("{line}: {failure}")).action {
        Action::Do { options, command } => {
            (options.iter().map(Given::to_string).collect(), command)
        }
        other => panic!("{line}: {other:?}"),
    }
}

#[track_caller]
fn refused(line: &str, expected: &str) {
    let failure = request(line).expect_err(line);
    assert_eq!(failure.exit, 125, "{line}");
    assert_eq!(failure.to_string(), expected, "{line}");
}

#[test]
fn every_option_of_every_verb_is_understood_in_every_spelling() {
    for verb in &VERBS {
        for opt in options(verb) {
            let mut spellings = match opt.takes {
                Takes::Nothing => vec![format!("--{}", opt.long)],
                Takes::Maybe(_) => vec![format!("--{}", opt.long), format!("--{}=true", opt.long)],
                Takes::Value(_) => {
                    vec![format!("--{}=1", opt.long), format!("--{} 1", opt.long)]
                }
            };
            if let Some(letter) = opt.short {
                spellings.push(match opt.takes {
                    Takes::Nothing | Takes::Maybe(_) => format!("-{letter}"),
                    Takes::Value(_) => format!("-{letter}1"),
                });
            }
            let words = match verb.id {
                VerbId::Run => "id",
                VerbId::Do | VerbId::Plan => "true",
                VerbId::Exec => "id true",
                VerbId::Config
                | VerbId::Create
                | VerbId::Checkpoint
                | VerbId::Restore
                | VerbId::Start
                | VerbId::Delete
                | VerbId::State
                | VerbId::Kill
                | VerbId::Ps
                | VerbId::Events
                | VerbId::Pause
                | VerbId::Resume => "x",
                VerbId::Update => "--pids-limit 9 x",
                VerbId::Completions => "bash",
                VerbId::Probe
                | VerbId::List
                | VerbId::Spec
                | VerbId::Features
                | VerbId::Help
                | VerbId::Man => "",
            };
            // The file is in the place of the command.
            let words = if opt.long == "process" { "id" } else { words };
            for spelling in spellings {
                let line = format!("{} {spelling} {words}", verb.name);
                let Err(failure) = request(&line) else {
                    continue;
                };
                // `--format 1` is an option in its place with a value out of place.
                let known = ["unknown form", "no such mode", "no such namespace"];
                let said = failure.to_string();
                assert!(known.iter().any(|words| said.contains(words)), "{line}: {said}");
            }
        }
    }
}

#[test]
fn names_and_letters_are_used_once() {
    for verb in &VERBS {
        let mut names: Vec<String> = options(verb).map(|opt| opt.long.to_owned()).collect();
        names.extend(options(verb).filter_map(|opt| opt.short).map(String::from));
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "{}", verb.name);
        // They are explained where `do` is used like another tool.
        for (foreign, _) in FOREIGN.iter().filter(|_| matches!(verb.id, VerbId::Do | VerbId::Plan))
        {
            assert!(verb.options().all(|opt| opt.long != *foreign), "--{foreign} is ours");
        }
    }
}

#[test]
fn options_end_at_the_first_word_of_the_command() {
    let (options, command) = sandboxed("do -it -m 1g sh -c x --memory 2g -- y");
    assert_eq!(options, ["-i", "-t", "-m 1g"]);
    assert_eq!(command, ["sh", "-c", "x", "--memory", "2g", "--", "y"]);
    let (options, command) = sandboxed("do -- --strange -x");
    assert_eq!((options.len(), command), (0, vec!["--strange".to_owned(), "-x".to_owned()]));
}

#[test]
fn values_are_taken_in_every_usual_form() {
    for line in ["--memory=1g", "--memory 1g", "-m 1g", "-m1g", "-m=1g", "-tm 1g"] {
        let (options, _) = sandboxed(&format!("do {line} sh"));
        assert!(options.last().is_some_and(|last| last.ends_with(" 1g")), "{line}: {options:?}");
    }
    let (options, command) = sandboxed("do --no-new-privileges false");
    assert_eq!(options, ["--no-new-privileges"]);
    assert_eq!(command, ["false"], "a value that may be absent is written with =");
    assert_eq!(sandboxed("do --no-new-privileges=false sh").0, ["--no-new-privileges=false"]);
    assert_eq!(sandboxed("do --memory-swap -1 sh").0, ["--memory-swap -1"]);
    assert_eq!(sandboxed("do --network host sh").0, ["--net host"]);
}

#[test]
fn global_options_stand_before_and_after_the_verb() {
    for line in ["--root /s --debug do sh", "do --root /s --debug sh", "--debug do --root=/s sh"] {
        let request = request(line).expect(line);
        assert_eq!(request.root.as_deref(), Some("/s"), "{line}");
        assert!(request.debug, "{line}");
        assert!(
            matches!(request.action, Action::Do { options, .. } if options.is_empty()),
            "{line}"
        );
    }
    let engines =
        "--root=/r --systemd-cgroup --rootless=true --log /l --log-format json --debug state x";
    let asked = request_of(engines);
    assert!(asked.systemd_cgroup && asked.debug && asked.log.json);
    assert_eq!((asked.rootless, asked.log.file.as_deref()), (Some(true), Some("/l")));
    assert_eq!(request_of("--rootless auto state x").rootless, None);
    for line in ["-h", "help", "--help"] {
        assert!(matches!(request(line).expect(line).action, Action::Help(None)), "{line}");
    }
    for line in ["do -h", "do --help", "help do", "--help do", "do --memory 1x --help"] {
        let action = request(line).expect(line).action;
        assert!(matches!(action, Action::Help(Some(verb)) if verb.name == "do"), "{line}");
    }
    assert!(matches!(request("--version").expect("a request").action, Action::Version));
    assert!(matches!(request("-V").expect("a request").action, Action::Version));
    assert!(matches!(request("--root /s -v").expect("a request").action, Action::Version));
}

#[test]
fn a_bundle_runs_with_and_without_a_command() {
    for (line, words) in [
        ("run --bundle /b web", &[][..]),
        ("run -b /b web -- sh -c x", &["sh", "-c", "x"][..]),
        ("run web --bundle /b sh -c x", &["sh", "-c", "x"][..]),
    ] {
        let Action::Life(Life::Run { asked, detach: false }) = request(line).expect(line).action
        else {
            panic!("{line}");
        };
        assert_eq!((asked.bundle.as_str(), asked.id.as_str()), ("/b", "web"), "{line}");
        assert_eq!(asked.command, words, "{line}");
    }
}

#[test]
fn a_plan_has_one_subject() {
    let subject = |line: &str| match request(line).expect(line).action {
        Action::Plan { subject, json, host, command } => (subject, json, host, command),
        other => panic!("{other:?}"),
    };
    assert!(matches!(subject("plan --config f").0, Subject::File(file) if file == "f"));
    assert!(matches!(subject("plan -b d sh").0, Subject::Bundle(dir) if dir == "d"));
    let (sandbox, json, host, command) = subject("plan --json --host h -m 1g -- sh");
    assert!(matches!(sandbox, Subject::Sandbox(options) if options.len() == 1));
    assert_eq!((json, host.as_deref(), command.len()), (true, Some("h"), 1));
    refused(
        "plan --config f -m 1g",
        "nsplan: -m 1g: not together with --config or --bundle\n  hint: the configuration file says it all\n",
    );
    refused(
        "plan --config f --bundle d",
        "nsplan: --config and --bundle exclude each other\n  hint: a bundle's configuration is its config.json or container.json\n",
    );
}

#[test]
fn what_has_no_place_is_refused_with_advice() {
    let cases = [
        (
            "",
            "nsplan: no verb given\n  hint: `nsplan do sh` runs a shell; `nsplan help` lists all\n",
        ),
        ("pln", "nsplan: `pln`: no such verb\n  hint: did you mean `plan`?\n"),
        (
            "bash",
            "nsplan: `bash`: no such verb\n  hint: `nsplan do bash …` runs a command; `nsplan help` lists all verbs\n",
        ),
        (
            "do --memroy 1g sh",
            "nsplan: --memroy: no such option of `do`\n  hint: did you mean `--memory`?\n",
        ),
        (
            "do --zzzzzz sh",
            "nsplan: --zzzzzz: no such option of `do`\n  hint: `nsplan help do` lists all options\n",
        ),
        (
            "--memory 1g do sh",
            "nsplan: --memory: no such option\n  hint: it belongs after a verb: nsplan do --memory\n",
        ),
        (
            "probe --memory 1g",
            "nsplan: --memory: no such option of `probe`\n  hint: `nsplan do` has it\n",
        ),
        ("do --memory", "nsplan: --memory: a value is missing\n  hint: --memory SIZE\n"),
        ("do -m", "nsplan: -m: a value is missing\n  hint: -m SIZE\n"),
        (
            "do --rw=yes sh",
            "nsplan: --rw=yes: --rw takes no value\n  hint: `nsplan help do` lists all options\n",
        ),
        (
            "do -t",
            "nsplan: do: a command is missing\n  hint: usage: nsplan do [OPTIONS] [--] COMMAND [ARGUMENT…]\n",
        ),
        ("probe x", "nsplan: `x`: one word too many\n  hint: usage: nsplan probe\n"),
        (
            "delete a/b",
            "nsplan: `a/b`: not a name for a container\n  hint: expected 1 to 255 letters, digits and `_ . + -`, and neither `.` nor `..`\n",
        ),
        (
            "do -p 80:80 sh",
            "nsplan: -p: no such option of `do`\n  hint: `nsplan help do` lists all options\n",
        ),
    ];
    for (line, expected) in cases {
        refused(line, expected);
    }
}

#[test]
fn what_engines_say_must_fit_together() {
    for (line, expected) in [
        (
            "exec x",
            "nsplan: exec: a command is missing\n  hint: usage: nsplan exec [OPTIONS] ID COMMAND [ARGUMENT…]\n",
        ),
        (
            "exec --process p x true",
            "nsplan: --process and a command exclude each other\n  hint: a process file says what is run\n",
        ),
    ] {
        refused(line, expected);
    }
}

#[test]
fn options_of_other_tools_are_refused_with_a_way_to_go() {
    for (foreign, hint) in FOREIGN {
        let failure = request(&format!("do --{foreign} sh")).expect_err(foreign);
        let text = failure.to_string();
        assert!(text.contains(&format!("hint: {hint}\n")), "{text}");
    }
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let failure = parse(vec!["\x1b[2Jx\n".into()]).expect_err("no verb");
    assert!(!failure.to_string().trim_end().contains(['\x1b']), "{failure}");
}

#[test]
fn what_is_not_utf8_is_refused() {
    let word = OsString::from_vec(vec![b'a', 0xff]);
    for words in [vec!["do".into(), word.clone()], vec!["do".into(), "-e".into(), word]] {
        let failure = parse(words).expect_err("not UTF-8");
        assert!(failure.to_string().contains("not valid UTF-8"), "{failure}");
    }
}

#[test]
#[ignore = "a measurement: cargo test --release --test cli -- --ignored --nocapture parse_time"]
fn parse_time() {
    let line = "--root /s do -it --rootfs /r -v /a:/b:ro -e A=b -w /x -m 1g --cpus 0.5 --pids-limit 100 --net none sh -c x";
    let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    let rounds = 100_000u32;
    let start = std::time::Instant::now();
    for _ in 0..rounds {
        std::hint::black_box(parse(std::hint::black_box(words.clone())).is_ok());
    }
    println!("{:?} a command line of {} words", start.elapsed() / rounds, words.len());
}
