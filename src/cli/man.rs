//! Turns the tables into manual pages, in the `man(7)` macros.
//!
//! Pure.

use core::fmt::Write as _;

use super::help::value_form;
use super::options::GLOBAL;
use super::spec::{Group, Verb};
use super::verbs::{EXIT_CODES, VERBS};

/// The page `nsplan(1)`, or that of a verb.
#[must_use]
pub fn man(verb: Option<&Verb>) -> String {
    verb.map_or_else(overview, of_verb)
}

fn overview() -> String {
    let mut page =
        head("nsplan", "starts Linux containers from a plan that can be read before it runs");
    page.push_str(".SH SYNOPSIS\n.B nsplan\n.I VERB\n[OPTIONS] …\n.SH VERBS\n");
    for verb in &VERBS {
        let (name, summary) = (escape(verb.name), escape(verb.summary));
        let _ = writeln!(page, ".TP\n.B {name}\n{summary}");
    }
    group(&mut page, &GLOBAL);
    foot(&mut page);
    let pages: Vec<String> = VERBS.iter().map(|verb| reference(verb.name)).collect();
    let _ = writeln!(page, ".SH SEE ALSO\n{}", pages.join(",\n"));
    page
}

fn of_verb(verb: &Verb) -> String {
    let mut page = head(&format!("nsplan-{}", verb.name), verb.summary);
    page.push_str(".SH SYNOPSIS\n");
    for (at, form) in verb.usage.iter().enumerate() {
        let line_break = if at == 0 { "" } else { ".br\n" };
        let form = escape(form);
        let _ = writeln!(page, "{line_break}.B nsplan {}\n{form}", verb.name);
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
        let _ = writeln!(page, ".TP\n.B nsplan {command}\n{meaning}");
    }
    for options in verb.groups.iter().copied().chain([&GLOBAL]) {
        group(&mut page, options);
    }
    foot(&mut page);
    let _ = writeln!(page, ".SH SEE ALSO\n.BR nsplan (1)");
    page
}

/// No date: a page made twice from the same program is the same.
fn head(name: &str, summary: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let (title, summary) = (escape(&name.to_uppercase()), escape(summary));
    let name = escape(name);
    format!(
        ".TH {title} 1 \"\" \"nsplan {version}\" \"nsplan manual\"\n.SH NAME\n{name} \\- {summary}\n"
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

fn foot(page: &mut String) {
    page.push_str(".SH EXIT STATUS\nThat of the program, or one of these.\n");
    for (code, meaning) in EXIT_CODES {
        let _ = writeln!(page, ".TP\n.B {code}\n{}", escape(meaning));
    }
}

fn reference(verb: &str) -> String {
    format!("\\fBnsplan\\-{verb}\\fR(1)")
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
