//! The picture: pure, from a view and the size of the terminal.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;
use ratatui::text;
use ratatui::widgets::{Block, Borders, Clear, Paragraph};

use super::chart;
use super::view::{Line, Popup, Row, Tone, View};
use crate::ui::hashrate;
use crate::ui::look::Look;

/// The smallest terminal that has room.
pub(super) const MIN_WIDE: u16 = 60;
pub(super) const MIN_HIGH: u16 = 15;
/// From here on panels have frames, and from the other on there are two beside each other.
const ROOMY_HIGH: u16 = 22;
const WIDE: u16 = 110;
/// Lines that the state may take: why it does not mine should be read whole.
const MAX_STATE_HIGH: usize = 2;
/// Pools that are shown at most.
const MAX_POOLS: usize = 4;
/// Words of the keys that stay when there is no room for all.
const LAST_KEYS: usize = 2;

/// Frames without letters beyond ASCII.
const ASCII_BORDER: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

/// Draws the view.
pub(super) fn draw(frame: &mut Frame<'_>, view: &View, look: Look) {
    let area = frame.area();
    let pen = Pen { look };
    if area.width < MIN_WIDE || area.height < MIN_HIGH {
        let text = format!(
            "rminer: this window has {} x {} letters and needs {MIN_WIDE} x {MIN_HIGH}; q ends",
            area.width, area.height
        );
        frame.render_widget(pen.line(Tone::Plain, &text), area);
        return;
    }
    let state: Vec<Line> = broken(&view.state.text, usize::from(area.width))
        .into_iter()
        .take(MAX_STATE_HIGH)
        .map(|text| Line { tone: view.state.tone, text })
        .collect();
    // Name, state, numbers.
    let head_high = high(state.len()) + 2;
    let most_rows = usize::from((area.height - head_high - 1) / 3).max(2);
    let table = table(&view.rows, usize::from(area.width), most_rows);
    let [head, devices, rest, footer] = Layout::vertical([
        Constraint::Length(head_high),
        Constraint::Length(high(table.len())),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(area);
    let plain = |text: &str| Line { tone: Tone::Plain, text: text.to_owned() };
    let (title, numbers) = (plain(&view.title), plain(&view.numbers));
    pen.lines(frame, head, [&title].into_iter().chain(&state).chain([&numbers]));
    pen.bold(frame, Rect { height: head_high - 1, ..head });
    pen.lines(frame, devices, table.iter());
    pen.bold(frame, Rect { height: 1, ..devices });
    panels(frame, view, &pen, rest);
    pen.lines(
        frame,
        footer,
        [&Line { tone: view.footer.tone, text: keys(&view.footer.text, usize::from(area.width)) }],
    );
    if let Some(popup) = &view.popup {
        let over = Rect { y: area.y + 2, height: area.height - 3, ..area };
        draw_popup(frame, popup, &pen, over);
    }
}

/// Pools, chart, shares and log, as many as there is room for.
fn panels(frame: &mut Frame<'_>, view: &View, pen: &Pen, area: Rect) {
    let pools_high = high(view.pools.len().clamp(1, MAX_POOLS));
    let is_roomy = frame.area().height >= ROOMY_HIGH;
    let pools_high = if is_roomy { pools_high } else { 1 };
    let [pools, area] = Layout::vertical([Constraint::Length(pools_high), Constraint::Min(0)]).areas(area);
    pen.lines(frame, pools, view.pools.iter());
    if !is_roomy {
        let chart_high = if area.height >= 8 { 3 } else { 0 };
        let [chart, shares, log] = Layout::vertical([
            Constraint::Length(chart_high),
            Constraint::Length(2.min(high(view.shares.len().max(1)))),
            Constraint::Min(0),
        ])
        .areas(area);
        draw_chart(frame, view, pen, chart);
        draw_shares(frame, view, pen, shares);
        draw_log(frame, view, pen, log);
        return;
    }
    let (chart, shares, log) = if area.width >= WIDE {
        let [upper, log] = Layout::vertical([Constraint::Percentage(50), Constraint::Min(0)]).areas(area);
        let [chart, shares] = Layout::horizontal([Constraint::Min(0), Constraint::Length(56)]).areas(upper);
        (chart, shares, log)
    } else {
        let [chart, shares, log] =
            Layout::vertical([Constraint::Percentage(40), Constraint::Percentage(25), Constraint::Min(0)])
                .areas(area);
        (chart, shares, log)
    };
    let inner = pen.framed(frame, chart, &view.chart_title);
    draw_chart(frame, view, pen, inner);
    let inner = pen.framed(frame, shares, "shares");
    draw_shares(frame, view, pen, inner);
    let inner = pen.framed(frame, log, "log");
    draw_log(frame, view, pen, inner);
}

fn draw_chart(frame: &mut Frame<'_>, view: &View, pen: &Pen, area: Rect) {
    let drawn = chart::lines(&view.chart, usize::from(area.width), usize::from(area.height), pen.look.ascii);
    let lines: Vec<Line> = drawn.into_iter().map(|text| Line { tone: Tone::Good, text }).collect();
    pen.lines(frame, area, lines.iter());
}

fn draw_shares(frame: &mut Frame<'_>, view: &View, pen: &Pen, area: Rect) {
    let none = Line { tone: Tone::Plain, text: "no share has a verdict yet".into() };
    let lines = if view.shares.is_empty() { std::slice::from_ref(&none) } else { &view.shares };
    pen.lines(frame, area, lines.iter());
}

/// The newest lines that fit, long ones broken.
fn draw_log(frame: &mut Frame<'_>, view: &View, pen: &Pen, area: Rect) {
    let (wide, most) = (usize::from(area.width), usize::from(area.height));
    let mut lines: Vec<Line> = Vec::new();
    for line in view.log.iter().rev() {
        if lines.len() >= most {
            break;
        }
        let broken = broken(&line.text, wide);
        lines.extend(broken.into_iter().rev().map(|text| Line { tone: line.tone, text }));
    }
    lines.truncate(most);
    lines.reverse();
    pen.lines(frame, area, lines.iter());
}

fn draw_popup(frame: &mut Frame<'_>, popup: &Popup, pen: &Pen, area: Rect) {
    let wide = usize::from(area.width.saturating_sub(2));
    let lines: Vec<Line> = popup
        .lines
        .iter()
        .flat_map(|line| broken(line, wide))
        .map(|text| Line { tone: Tone::Plain, text })
        .collect();
    let area = Rect { height: area.height.min(high(lines.len()).saturating_add(2)), ..area };
    let inside = usize::from(area.height.saturating_sub(2));
    let below = lines.len().saturating_sub(inside);
    let scroll = popup.scroll.min(below);
    let hint = if below > 0 { "arrows and space move, Esc closes" } else { "Esc closes" };
    frame.render_widget(Clear, area);
    let block =
        Block::new().borders(Borders::ALL).border_set(pen.border()).title(format!(" {} ", popup.title));
    let block = block.title_bottom(format!(" {hint} "));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    pen.lines(frame, inner, lines.iter().skip(scroll));
}

/// Columns of the table of devices: heading, letters, whether words, and from which width on it is there.
const COLUMNS: [(&str, usize, bool, usize); 12] = [
    ("DEVICE", 10, true, 0),
    ("STATE", 9, true, 0),
    ("10 s", 11, false, 94),
    ("60 s", 11, false, 0),
    ("15 min", 11, false, 104),
    ("BEST", 11, false, 76),
    ("TEMP", 6, false, 0),
    ("POWER", 7, false, 0),
    ("ENERGY", 12, false, 130),
    ("SHARES", 8, false, 0),
    ("STALE", 6, false, 0),
    ("BAD", 5, false, 66),
];
/// Least room for a device's name.
const NAME_WIDE: usize = 12;

/// The devices in lines of `wide` letters, heading first; `most_rows` of them at most.
fn table(rows: &[Row], wide: usize, most_rows: usize) -> Vec<Line> {
    let columns: Vec<usize> = (0..COLUMNS.len()).filter(|&column| wide >= COLUMNS[column].3).collect();
    let used: usize = columns.iter().map(|&column| COLUMNS[column].1).sum();
    let name_wide = wide.saturating_sub(used + 2);
    let line = |cells: &[String; COLUMNS.len()], name: &str| {
        let mut text = String::new();
        for &column in &columns {
            let (_, width, is_word, _) = COLUMNS[column];
            let cell: String = cells[column].chars().take(width.saturating_sub(1)).collect();
            text.push_str(&if is_word { format!("{cell:<width$}") } else { format!("{cell:>width$}") });
        }
        if name_wide >= NAME_WIDE {
            text.push_str("  ");
            text.extend(name.chars().take(name_wide));
        }
        text
    };
    let heading = COLUMNS.map(|(heading, ..)| heading.to_owned());
    let mut lines = vec![Line { tone: Tone::Plain, text: line(&heading, "NAME") }];
    let shown = if rows.len() > most_rows { most_rows - 1 } else { rows.len() };
    lines.extend(
        rows[..shown].iter().map(|row| Line { tone: row.tone, text: line(&cells(row), &row.cells.what) }),
    );
    if shown < rows.len() {
        let text = format!("... and {} more; d lists them all", rows.len() - shown);
        lines.push(Line { tone: Tone::Plain, text });
    }
    if rows.is_empty() {
        lines.push(Line { tone: Tone::Plain, text: "no device yet".into() });
    }
    lines
}

fn cells(row: &Row) -> [String; COLUMNS.len()] {
    let known = |value: Option<f64>, unit: &str| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0} {unit}"))
    };
    let key = row.number.map(|number| format!("{number} ")).unwrap_or_default();
    let cells = &row.cells;
    [
        format!("{key}{}", cells.device),
        row.state.clone(),
        hashrate(cells.s10_hs),
        hashrate(cells.s60_hs),
        hashrate(cells.m15_hs),
        hashrate(cells.best_hs),
        known(cells.temp_c, "C"),
        known(cells.power_w, "W"),
        row.efficiency.clone(),
        cells.shares.to_string(),
        cells.stale.to_string(),
        cells.bad.to_string(),
    ]
}

/// The list of keys in `wide` letters: the last ones stay, since one of them lists all.
fn keys(text: &str, wide: usize) -> String {
    if text.chars().count() <= wide {
        return text.to_owned();
    }
    let words: Vec<&str> = text.split("  ").collect();
    if words.len() <= LAST_KEYS {
        return text.to_owned();
    }
    let (first, last) = words.split_at(words.len() - LAST_KEYS);
    let last = last.join("  ");
    let mut line = String::new();
    for word in first {
        if line.chars().count() + word.chars().count() + 2 + last.chars().count() > wide {
            break;
        }
        line.push_str(word);
        line.push_str("  ");
    }
    line + &last
}

/// A text in lines of `wide` letters at most, broken between words where it can be; what follows is indented.
pub(super) fn broken(text: &str, wide: usize) -> Vec<String> {
    const INDENT: &str = "    ";
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= wide || wide <= 2 * INDENT.len() {
        return vec![text.to_owned()];
    }
    let (mut lines, mut from) = (Vec::new(), 0);
    while from < letters.len() {
        let indent = if lines.is_empty() { "" } else { INDENT };
        let room = wide - indent.len();
        let end = (from + room).min(letters.len());
        let space = letters[from..end].iter().rposition(|letter| *letter == ' ').filter(|&at| at > room / 2);
        let to = if end == letters.len() { end } else { space.map_or(end, |at| from + at) };
        lines.push(format!("{indent}{}", letters[from..to].iter().collect::<String>()));
        from = to;
        while letters.get(from) == Some(&' ') {
            from += 1;
        }
    }
    lines
}

fn high(lines: usize) -> u16 {
    u16::try_from(lines).unwrap_or(u16::MAX)
}

/// How the terminal wants it.
struct Pen {
    look: Look,
}

impl Pen {
    fn border(&self) -> border::Set<'static> {
        if self.look.ascii { ASCII_BORDER } else { border::PLAIN }
    }

    fn style(&self, tone: Tone) -> Style {
        let color = match tone {
            Tone::Plain => return Style::new(),
            Tone::Good => Color::Green,
            Tone::Warn => Color::Yellow,
            Tone::Bad => Color::Red,
        };
        let style = if self.look.color { Style::new().fg(color) } else { Style::new() };
        if tone == Tone::Bad { style.add_modifier(Modifier::BOLD) } else { style }
    }

    fn line(&self, tone: Tone, text: &str) -> text::Line<'static> {
        // The view has no control characters any more; this is where letters beyond ASCII end.
        let shown: String = match self.look.ascii {
            true => text.chars().map(|letter| if letter.is_ascii() { letter } else { '?' }).collect(),
            false => text.to_owned(),
        };
        text::Line::styled(shown, self.style(tone))
    }

    fn lines<'a>(&self, frame: &mut Frame<'_>, area: Rect, lines: impl IntoIterator<Item = &'a Line>) {
        let shown = lines.into_iter().take(usize::from(area.height));
        let shown: Vec<_> = shown.map(|line| self.line(line.tone, &line.text)).collect();
        frame.render_widget(Paragraph::new(shown), area);
    }

    fn bold(&self, frame: &mut Frame<'_>, area: Rect) {
        frame.buffer_mut().set_style(area, Style::new().add_modifier(Modifier::BOLD));
    }

    /// A line with a title above a panel; what is left for its content.
    fn framed(&self, frame: &mut Frame<'_>, area: Rect, title: &str) -> Rect {
        let block = Block::new().borders(Borders::TOP).border_set(self.border()).title(format!(" {title} "));
        let inner = block.inner(area);
        frame.render_widget(block, area);
        inner
    }
}
