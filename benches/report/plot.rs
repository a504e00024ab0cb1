//! Numbers become drawings: bars against the floor, distributions, lines. SVG without scripts or fonts of its own.

use std::fmt::Write as _;

/// One bar: a name, its value, and the share of it between p10 and p90.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) low: f64,
    pub(crate) value: f64,
    pub(crate) high: f64,
    pub(crate) is_floor: bool,
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 130.0;
const RIGHT: f64 = 150.0;
const ROW: f64 = 24.0;
const INK: &str = "#222";
const COLOURS: [&str; 8] =
    ["#999999", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/// Horizontal bars on a scale from zero, with a line where the floor ends.
pub(crate) fn bars(title: &str, unit: &str, bars: &[Bar]) -> String {
    let most = bars.iter().map(|bar| bar.high.max(bar.value)).fold(1.0, f64::max);
    let scale = (WIDTH - LEFT - RIGHT) / most;
    let height = 40.0 + ROW * count(bars.len());
    let mut svg = begin(height, title);
    let floor = bars.iter().find(|bar| bar.is_floor).map(|bar| bar.value);
    for (row, bar) in bars.iter().enumerate() {
        let y = 34.0 + ROW * count(row);
        let colour = if bar.is_floor { COLOURS[0] } else { COLOURS[1] };
        let (x, width) = (LEFT, bar.value * scale);
        text(&mut svg, LEFT - 8.0, y + 13.0, "end", &bar.name);
        let _ = writeln!(
            svg,
            r#"<rect x="{x}" y="{y}" width="{width:.1}" height="17" fill="{colour}"/>"#
        );
        let (low, high) = (LEFT + bar.low * scale, LEFT + bar.high * scale);
        line(&mut svg, (low, y + 8.5), (high, y + 8.5), INK, "");
        let ratio = floor.filter(|_| !bar.is_floor).map(|floor| bar.value / floor);
        let ratio = ratio.map_or_else(String::new, |ratio| format!(" ({ratio:.2}×)"));
        let label = format!("{:.0} {unit}{ratio}", bar.value);
        text(&mut svg, high.max(LEFT + width) + 6.0, y + 13.0, "start", &label);
    }
    if let Some(floor) = floor {
        let x = LEFT + floor * scale;
        line(&mut svg, (x, 30.0), (x, height - 6.0), INK, "4 3");
    }
    end(svg)
}

/// The share of samples below each time, one line a program; the time axis is logarithmic.
pub(crate) fn distribution(title: &str, series: &[(String, Vec<f64>)]) -> String {
    const HEIGHT: f64 = 340.0;
    let all = || series.iter().flat_map(|(_, values)| values.iter().copied());
    let (least, most) = (all().fold(f64::MAX, f64::min).max(1.0), all().fold(2.0, f64::max));
    let span = (most / least).ln().max(0.1);
    let x = |value: f64| LEFT / 2.0 + (value / least).ln() / span * (WIDTH - LEFT / 2.0 - RIGHT);
    let y = |share: f64| 290.0 - share * 250.0;
    let mut svg = begin(HEIGHT, title);
    for share in [0.0, 0.5, 1.0] {
        line(&mut svg, (LEFT / 2.0, y(share)), (WIDTH - RIGHT, y(share)), "#ccc", "");
        text(&mut svg, LEFT / 2.0 - 6.0, y(share) + 4.0, "end", &format!("{:.0}%", share * 100.0));
    }
    let mut tick = 10f64.powf(least.log10().floor());
    while tick <= most {
        for value in [tick, tick * 2.0, tick * 5.0] {
            if value >= least && value <= most {
                line(&mut svg, (x(value), 40.0), (x(value), 290.0), "#eee", "");
                text(&mut svg, x(value), 306.0, "middle", &format!("{:.1} ms", value / 1000.0));
            }
        }
        tick *= 10.0;
    }
    for (number, (name, values)) in series.iter().enumerate() {
        let mut values = values.clone();
        values.sort_by(f64::total_cmp);
        let points = values
            .iter()
            .enumerate()
            .map(|(at, value)| (x(*value), y(count(at + 1) / count(values.len()))));
        path(&mut svg, points, number);
        legend(&mut svg, number, name);
    }
    end(svg)
}

/// One line a program over a few named steps of the horizontal axis, from zero.
pub(crate) fn lines(
    title: &str,
    unit: &str,
    steps: &[String],
    series: &[(String, Vec<f64>)],
) -> String {
    let most = series.iter().flat_map(|(_, values)| values).copied().fold(1.0, f64::max);
    let x = |at: usize| {
        LEFT / 2.0 + 20.0 + count(at) * (WIDTH - LEFT - RIGHT) / count(steps.len().max(2) - 1)
    };
    let y = |value: f64| 290.0 - value / most * 245.0;
    let mut svg = begin(330.0, title);
    for (at, step) in steps.iter().enumerate() {
        text(&mut svg, x(at), 308.0, "middle", step);
    }
    for value in [0.0, most / 2.0, most] {
        line(&mut svg, (LEFT / 2.0, y(value)), (WIDTH - RIGHT, y(value)), "#ccc", "");
        text(&mut svg, LEFT / 2.0 - 4.0, y(value) + 4.0, "end", &format!("{value:.0}"));
    }
    text(&mut svg, 6.0, 36.0, "start", unit);
    for (number, (name, values)) in series.iter().enumerate() {
        path(&mut svg, values.iter().enumerate().map(|(at, value)| (x(at), y(*value))), number);
        legend(&mut svg, number, name);
    }
    end(svg)
}

fn begin(height: f64, title: &str) -> String {
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">
<rect width="{WIDTH}" height="{height}" fill="#fff"/>
"##
    );
    let _ = writeln!(
        svg,
        r#"<text x="{}" y="20" font-weight="bold" fill="{INK}">{}</text>"#,
        10,
        escape(title)
    );
    svg
}

fn end(mut svg: String) -> String {
    svg.push_str("</svg>\n");
    svg
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let words = escape(words);
    let _ = writeln!(
        svg,
        r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="{INK}">{words}</text>"#
    );
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), colour: &str, dashes: &str) {
    let ((a, b), (c, d)) = (from, to);
    let _ = writeln!(
        svg,
        r#"<line x1="{a:.1}" y1="{b:.1}" x2="{c:.1}" y2="{d:.1}" stroke="{colour}" stroke-dasharray="{dashes}"/>"#
    );
}

fn path(svg: &mut String, points: impl Iterator<Item = (f64, f64)>, number: usize) {
    let points: Vec<String> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let colour = COLOURS[number % COLOURS.len()];
    let _ = writeln!(
        svg,
        r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
        points.join(" ")
    );
}

fn legend(svg: &mut String, number: usize, name: &str) {
    let y = 50.0 + 18.0 * count(number);
    let (x, colour) = (WIDTH - RIGHT + 14.0, COLOURS[number % COLOURS.len()]);
    line(svg, (x, y), (x + 18.0, y), colour, "");
    text(svg, x + 24.0, y + 4.0, "start", name);
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}
