//! Figures become a picture: one bar for each subject, made of what it was doing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Figure, Figures, OURS, configurations, in_order, micros};
use crate::shares::CLASSES;

const WIDTH: u64 = 900;
const LEFT: u64 = 110;
const BAR: u64 = 620;
const ROW: u64 = 22;

/// As many as there are classes or groups.
const COLOURS: [&str; 16] = [
    "#4e79a7", "#a0cbe8", "#f28e2b", "#59a14f", "#edc948", "#b07aa1", "#9c755f", "#d4a6c8",
    "#e15759", "#bab0ac", "#79706e", "#e8e8e8", "#76b7b2", "#ff9da7", "#86bcb6", "#d37295",
];

pub(super) fn picture(figures: &Figures) -> String {
    let mut body = String::new();
    let mut y = 24;
    legend(&mut body, &CLASSES, &mut y);
    for (name, subjects) in configurations(figures) {
        // Who is many times slower than the others would leave nothing to be seen of them: his bar is cut.
        let mut totals: Vec<u64> =
            subjects.values().map(|figure| figure.classes.values().sum()).collect();
        totals.sort_unstable();
        let scale = totals.iter().rev().nth(1).or(totals.last()).copied().unwrap_or(1).max(1);
        heading(&mut body, name, &mut y);
        for (subject, figure) in in_order(subjects) {
            bar(&mut body, subject, &figure.classes, &CLASSES, (scale, figure.median), &mut y);
        }
    }
    y += 20;
    ours(&mut body, figures, &mut y);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n",
        y + 10
    )
}

/// Ours by group of steps, one bar for each configuration.
fn ours(body: &mut String, figures: &Figures, y: &mut u64) {
    let all: Vec<(&str, &Figure)> = configurations(figures)
        .into_iter()
        .filter_map(|(name, subjects)| Some((name, subjects.get(OURS)?)))
        .filter(|(_, figure)| !figure.steps.is_empty())
        .collect();
    let mut cost: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, time) in all.iter().flat_map(|(_, figure)| &figure.groups) {
        let most = cost.entry(name).or_default();
        *most = (*most).max(*time);
    }
    let mut names: Vec<&str> = cost.keys().copied().collect();
    names.sort_by_key(|name| std::cmp::Reverse(cost[name]));
    heading(body, "nsplan, by group of steps", y);
    legend(body, &names, y);
    let scale =
        all.iter().map(|(_, figure)| figure.groups.values().sum()).max().unwrap_or(1).max(1);
    for (name, figure) in all {
        bar(body, name, &figure.groups, &names, (scale, figure.median), y);
    }
}

fn heading(body: &mut String, text: &str, y: &mut u64) {
    *y += 26;
    let _ = writeln!(body, "<text x=\"10\" y=\"{y}\" font-weight=\"bold\">{text}</text>");
    *y += 8;
}

fn legend(body: &mut String, names: &[&str], y: &mut u64) {
    let mut x = 10;
    for (name, colour) in names.iter().zip(COLOURS.iter().cycle()) {
        let width = 24 + 7 * name.len() as u64;
        if x + width > WIDTH {
            (x, *y) = (10, *y + 18);
        }
        let _ = writeln!(
            body,
            "<rect x=\"{x}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{colour}\"/><text x=\"{}\" y=\"{y}\">{}</text>",
            *y - 10,
            x + 16,
            name.replace('-', " ")
        );
        x += width;
    }
    *y += 10;
}

/// Parts are of a traced start; the number is the median of those that were not.
fn bar(
    body: &mut String,
    label: &str,
    parts: &BTreeMap<String, u64>,
    order: &[&str],
    (scale, median): (u64, u64),
    y: &mut u64,
) {
    let _ = writeln!(
        body,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{label}</text>",
        LEFT - 8,
        *y + 14
    );
    let mut done = 0;
    for (name, colour) in order.iter().zip(COLOURS.iter().cycle()) {
        let time = parts.get(*name).copied().unwrap_or(0);
        let (from, to) = (place(done, scale), place(done + time, scale));
        done += time;
        if to > from {
            let _ = writeln!(
                body,
                "<rect x=\"{}\" y=\"{y}\" width=\"{}\" height=\"{}\" fill=\"{colour}\"><title>{name} {} µs</title></rect>",
                LEFT + from,
                to - from,
                ROW - 5,
                micros(time)
            );
        }
    }
    let cut = if done > scale { " »" } else { "" };
    let x = LEFT + place(done, scale) + 6;
    let _ = writeln!(body, "<text x=\"{x}\" y=\"{}\">{cut} {} µs</text>", *y + 13, micros(median));
    *y += ROW;
}

fn place(time: u64, scale: u64) -> u64 {
    (time * BAR / scale).min(BAR)
}
