//! Turns the tables into manual pages, in the `man(7)` macros.
//!
//! Pure.

use core::fmt::Write as _;

use super::help::value_form;
use super::spec::{Group, Tool, Verb};

/// The page of the program, or that of a verb.
#[must_use]
pub fn man<I>(tool: &'static Tool<I>, verb: Option<&Verb<I>>) -> String {
    verb.map_or_else(|| overview(tool), |verb| of_verb(tool, verb))
}

fn overview<I>(tool: &'static Tool<I>) -> String {
    let name = tool.name;
    let mut page = head(name, name, tool.summary);
    let _ = write!(page, ".SH SYNOPSIS\n.B {name}\n.I VERB\n[OPTIONS] …\n.SH VERBS\n");
    for verb in tool.verbs {
        let (name, summary) = (escape(verb.name), escape(verb.summary));
        let _ = writeln!(page, ".TP\n.B {name}\n{summary}");
    }
    group(&mut page, tool.global);
    foot(&mut page, tool.exit_codes);
    let pages: Vec<String> = tool.verb_names().map(|verb| reference(name, verb)).collect();
    let _ = writeln!(page, ".SH SEE ALSO\n{}", pages.join(",\n"));
    page
}

fn of_verb<I>(tool: &'static Tool<I>, verb: &Verb<I>) -> String {
    let name = tool.name;
    let mut page = head(name, &format!("{name}-{}", verb.name), verb.summary);
    page.push_str(".SH SYNOPSIS\n");
    for (at, form) in verb.usage.iter().enumerate() {
        let line_break = if at == 0 { "" } else { ".br\n" };
        let form = escape(form);
        let _ = writeln!(page, "{line_break}.B {name} {}\n{form}", verb.name);
    }
    if !verb.about.is_empty() {
        page.push_str(".SH DESCRIPTION\n");
    }
    for paragraph in verb.about {
        let _ = writeln!(page, ".PP\n{}", escape(paragraph));
    }
    if !verb.examples.is_empty() {
        page.push_str(".SH EXAMPLES\n");
    }
    for (command, meaning) in verb.examples {
        let (command, meaning) = (escape(command), escape(meaning));
        let _ = writeln!(page, ".TP\n.B {name} {command}\n{meaning}");
    }
    for options in verb.groups.iter().copied().chain([tool.global]) {
        group(&mut page, options);
    }
    foot(&mut page, tool.exit_codes);
    let _ = writeln!(page, ".SH SEE ALSO\n.BR {name} (1)");
    page
}

/// No date: a page made twice from the same program is the same.
fn head(tool: &str, name: &str, summary: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let (title, summary) = (escape(&name.to_uppercase()), escape(summary));
    let name = escape(name);
    format!(
        ".TH {title} 1 \"\" \"{tool} {version}\" \"{tool} manual\"\n.SH NAME\n{name} \\- {summary}\n"
    )
}

fn group(page: &mut String, group: &Group) {
    let _ = writeln!(page, ".SH {}", escape(&group.title.to_uppercase()));
    for opt in group.options {
        let short = opt.short.map(|letter| format!("-{letter}, "));
        let name = escape(&format!("{}--{}", short.unwrap_or_default(), opt.long));
        let (value, help) = (escape(&value_form(opt)), escape(opt.help));
        let _ = writeln!(page, ".TP\n\\fB{name}\\fR{value}\n{help}");
    }
}

fn foot(page: &mut String, exit_codes: &[(&str, &str)]) {
    page.push_str(".SH EXIT STATUS\nThat of the program, or one of these.\n");
    for (code, meaning) in exit_codes {
        let _ = writeln!(page, ".TP\n.B {code}\n{}", escape(meaning));
    }
}

fn reference(tool: &str, verb: &str) -> String {
    format!("\\fB{tool}\\-{verb}\\fR(1)")
}

/// Text in which roff finds no commands.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        match c {
            '\\' => escaped.push_str("\\e"),
            '-' => escaped.push_str("\\-"),
            '…' => escaped.push_str("\\&..."),
            '.' | '\'' if at == 0 => {
                escaped.push_str("\\&");
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    escaped
}
