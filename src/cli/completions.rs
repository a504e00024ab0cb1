//! Turns the tables into completion scripts for bash, zsh and fish.
//!
//! Pure.

use core::fmt::Write as _;

use super::spec::{Complete, Opt, Takes, Tool, Verb};

/// The script for one of [`SHELLS`](super::verbs::SHELLS); empty for another.
#[must_use]
pub fn completions<I>(tool: &'static Tool<I>, shell: &str) -> String {
    match shell {
        "bash" => bash(tool),
        "zsh" => zsh(tool),
        "fish" => fish(tool),
        _ => String::new(),
    }
}

/// All spellings of an option, with dashes.
fn spellings(opt: &Opt) -> Vec<String> {
    let short = opt.short.map(|letter| format!("-{letter}"));
    short.into_iter().chain([format!("--{}", opt.long)]).collect()
}

fn bash<I>(tool: &'static Tool<I>) -> String {
    let name = tool.name;
    let names: Vec<_> = tool.verb_names().collect();
    let mut script = format!("# {name} completion for bash\n_{name}() {{\n");
    script.push_str(
        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb= word\n    \
         for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n        case $word in\n",
    );
    let _ = writeln!(script, "            {}) verb=$word; break ;;", names.join("|"));
    script.push_str("        esac\n    done\n    case $verb in\n");
    let _ = writeln!(
        script,
        "        '') COMPREPLY=($(compgen -W \"{} {} --version\" -- \"$cur\")); return ;;",
        names.join(" "),
        words(tool.global.options.iter())
    );
    for verb in tool.verbs {
        bash_verb(&mut script, tool, verb);
    }
    let _ = writeln!(script, "    esac\n}}\ncomplete -F _{name} {name}");
    script
}

fn bash_verb<I>(script: &mut String, tool: &'static Tool<I>, verb: &Verb<I>) {
    let _ = writeln!(script, "        {})\n            case $prev in", verb.name);
    for opt in tool.options(verb) {
        let reply = match opt.takes {
            Takes::Value(value) => bash_reply(value.complete),
            Takes::Nothing | Takes::Maybe(_) => continue,
        };
        let _ =
            writeln!(script, "                {}) {reply}; return ;;", spellings(opt).join("|"));
    }
    let _ = writeln!(
        script,
        "            esac\n            if [[ $cur == -* ]]; then\n                \
         COMPREPLY=($(compgen -W \"{}\" -- \"$cur\"))\n            else\n                \
         {}\n            fi ;;",
        words(tool.options(verb)),
        bash_reply(verb.complete)
    );
}

fn words(options: impl Iterator<Item = &'static Opt>) -> String {
    options.flat_map(spellings).collect::<Vec<_>>().join(" ")
}

fn bash_reply(complete: Complete) -> String {
    match complete {
        Complete::Nothing => "COMPREPLY=()".into(),
        Complete::Files => "COMPREPLY=($(compgen -f -- \"$cur\"))".into(),
        Complete::Directories => "COMPREPLY=($(compgen -d -- \"$cur\"))".into(),
        Complete::Words(words) => {
            format!("COMPREPLY=($(compgen -W \"{}\" -- \"$cur\"))", words.join(" "))
        }
    }
}

fn zsh<I>(tool: &'static Tool<I>) -> String {
    let name = tool.name;
    let mut script = format!(
        "#compdef {name}\n_{name}() {{\n    local -a verbs\n    local verb\n    verbs=(\n",
    );
    for verb in tool.verbs {
        let _ = writeln!(script, "        '{}:{}'", verb.name, quoted(verb.summary));
    }
    script.push_str(
        "    )\n    for verb in ${words[2,CURRENT-1]}; do\n        \
         (( ${+verbs[(r)$verb:*]} )) && break\n        verb=\n    done\n    case $verb in\n",
    );
    for verb in tool.verbs {
        let _ = write!(script, "        {}) _arguments -S", verb.name);
        for opt in tool.options(verb) {
            zsh_option(&mut script, opt);
        }
        let _ = writeln!(script, " \\\n            '*:word:{}' ;;", zsh_action(verb.complete));
    }
    let _ = writeln!(script, "        *) _describe verb verbs ;;\n    esac\n}}\n_{name} \"$@\"");
    script
}

fn zsh_option(script: &mut String, opt: &Opt) {
    let help = quoted(first_sentence(opt.help)).replace('[', "\\[").replace(']', "\\]");
    for spelling in spellings(opt) {
        let value = match opt.takes {
            Takes::Nothing => String::new(),
            Takes::Maybe(name) => format!("::{name}:"),
            Takes::Value(value) => {
                let name = quoted(value.name).replace(':', "\\:").replace(['[', ']'], "");
                format!(":{name}:{}", zsh_action(value.complete))
            }
        };
        let equals = match opt.takes {
            Takes::Maybe(_) => "=-",
            Takes::Value(_) if spelling.starts_with("--") => "=",
            Takes::Nothing | Takes::Value(_) => "",
        };
        let _ = write!(script, " \\\n            '*{spelling}{equals}[{help}]{value}'");
    }
}

fn zsh_action(complete: Complete) -> String {
    match complete {
        Complete::Nothing => " ".into(),
        Complete::Files => "_files".into(),
        Complete::Directories => "_files -/".into(),
        Complete::Words(words) => format!("({})", words.join(" ")),
    }
}

fn fish<I>(tool: &'static Tool<I>) -> String {
    let name = tool.name;
    let mut script = format!("# {name} completion for fish\n");
    let names: Vec<_> = tool.verb_names().collect();
    let none = format!("not __fish_seen_subcommand_from {}", names.join(" "));
    for verb in tool.verbs {
        let _ = writeln!(
            script,
            "complete -c {name} -f -n '{none}' -a {} -d '{}'",
            verb.name,
            fish_quoted(verb.summary)
        );
    }
    for verb in tool.verbs {
        let seen = format!("__fish_seen_subcommand_from {}", verb.name);
        if let Complete::Words(words) = verb.complete {
            let _ = writeln!(script, "complete -c {name} -f -n '{seen}' -a '{}'", words.join(" "));
        }
        for opt in tool.options(verb) {
            fish_option(&mut script, name, &seen, opt);
        }
    }
    script
}

fn fish_option(script: &mut String, name: &str, seen: &str, opt: &Opt) {
    let _ = write!(script, "complete -c {name} -n '{seen}' -l {}", opt.long);
    if let Some(letter) = opt.short {
        let _ = write!(script, " -s {letter}");
    }
    let value = match opt.takes {
        Takes::Nothing | Takes::Maybe(_) => String::new(),
        Takes::Value(value) => match value.complete {
            Complete::Nothing => " -x".into(),
            Complete::Files => " -r -F".into(),
            Complete::Directories => " -x -a '(__fish_complete_directories)'".into(),
            Complete::Words(words) => format!(" -x -a '{}'", words.join(" ")),
        },
    };
    let help = fish_quoted(first_sentence(opt.help));
    let _ = writeln!(script, "{value} -d '{help}'");
}

/// What a list of options has room for.
fn first_sentence(help: &str) -> &str {
    let end = help.find(". ").or_else(|| help.find("; ")).or_else(|| help.find(": "));
    help[..end.unwrap_or(help.len())].trim_end_matches('.')
}

/// Text inside single quotes of a POSIX shell.
fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''")
}

/// Text inside single quotes of fish.
fn fish_quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}
