//! Charts of horizontal bars, as SVG. Their colours can be told apart on light and on dark backgrounds, and there is none of their own.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
/// Room for the names at the left and for the figures at the right.
const LEFT: f64 = 210.0;
const RIGHT: f64 = 150.0;
const BAR: f64 = 14.0;
const TEXT: &str = "#7d8590";

/// Colours: our worker, its part of the database; Synapse's worker, and its part.
pub(super) const WORKER: &str = "#2f9e44";
pub(super) const WORKER_DATABASE: &str = "#8ccf99";
pub(super) const SYNAPSE: &str = "#c2672b";
pub(super) const SYNAPSE_DATABASE: &str = "#e5ac84";

/// One bar: parts one behind the other, each of a share of the whole width from 0 to 1 and a colour.
pub(super) struct Bar {
    pub(super) parts: Vec<(f64, &'static str)>,
    pub(super) label: String,
}

/// Bars that belong together under one name.
pub(super) struct Group {
    pub(super) name: String,
    pub(super) bars: Vec<Bar>,
}

/// A chart with a title and a legend of colours and their meaning.
pub(super) fn chart(title: &str, legend: &[(&str, &str)], groups: &[Group]) -> String {
    let mut body = String::new();
    let mut y = 24.0;
    text(&mut body, (0.0, y), "start", "600 15px", title);
    y += 22.0;
    let mut x = 0.0;
    for (colour, meaning) in legend {
        rectangle(&mut body, (x, y - 10.0), (11.0, 11.0), colour);
        text(&mut body, (x + 17.0, y), "start", "12px", meaning);
        x += 40.0 + 6.6 * f64::from(u32::try_from(meaning.chars().count()).unwrap_or(0));
    }
    y += 16.0;
    for group in groups {
        let count = f64::from(u32::try_from(group.bars.len()).unwrap_or(1));
        let middle = y + count * (BAR + 2.0) / 2.0 + 3.0;
        text(&mut body, (LEFT - 10.0, middle), "end", "12px", &group.name);
        for bar in &group.bars {
            draw(&mut body, y, bar);
            y += BAR + 2.0;
        }
        y += 8.0;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y:.0}\" role=\"img\" aria-label=\"{}\">\n{body}</svg>\n",
        escaped(title)
    )
}

fn draw(body: &mut String, y: f64, bar: &Bar) {
    let mut x = LEFT;
    for (share, colour) in &bar.parts {
        // What is almost nothing is still seen to be there.
        let width = (share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)).max(0.75);
        rectangle(body, (x, y), (width, BAR), colour);
        x += width;
    }
    text(body, (x + 6.0, y + BAR - 3.0), "start", "12px", &bar.label);
}

fn rectangle(body: &mut String, (x, y): (f64, f64), (width, height): (f64, f64), colour: &str) {
    let _ = writeln!(
        body,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\" fill=\"{colour}\"/>"
    );
}

fn text(body: &mut String, (x, y): (f64, f64), anchor: &str, font: &str, content: &str) {
    let _ = writeln!(
        body,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{TEXT}\" style=\"font:{font} system-ui,sans-serif\">{}</text>",
        escaped(content)
    );
}

/// Text as it stands in XML, also between quotes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        let bars = vec![Bar { parts: vec![(0.5, WORKER)], label: "1 < 2".to_owned() }];
        let svg = chart("\"A\" & B", &[(WORKER, "ours")], &[Group { name: "<x>".to_owned(), bars }]);
        for expected in ["&quot;A&quot; &amp; B", "&lt;x&gt;", "1 &lt; 2"] {
            assert!(svg.contains(expected), "{expected} in {svg}");
        }
    }

    #[test]
    fn a_bar_never_leaves_the_chart_and_never_vanishes() {
        let mut body = String::new();
        draw(&mut body, 0.0, &Bar { parts: vec![(7.0, WORKER)], label: String::new() });
        assert!(body.contains("width=\"400.0\""), "{body}");
        draw(&mut body, 0.0, &Bar { parts: vec![(0.0, SYNAPSE)], label: String::new() });
        assert!(body.contains("width=\"0.8\""), "{body}");
    }
}
