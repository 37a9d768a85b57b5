//! The document. Every value is looked up in the status by the path that the script looks it up by, and everything that
//! comes from pools, devices and files is escaped. Rows and cells have no end tags: HTML needs none, and they add up.

use std::fmt::Write as _;

use rminer_stratum::text::clean;
use serde_json::Value;

use super::assets::Assets;
use super::format::{Form, UNKNOWN};
use crate::api::time::rfc3339;
use crate::api::v1::{Chart, Pool, Status};

/// What the page shows.
pub(super) struct Seen<'a> {
    /// What `/api/v1/status` answers.
    pub(super) status: &'a Status,
    /// What `/api/v1/pools` answers.
    pub(super) pools: &'a [Pool],
    /// The last day by the hour.
    pub(super) hours: &'a Chart,
    /// Seconds since 1970.
    pub(super) now_s: f64,
    /// Whether orders are taken at all.
    pub(super) takes_orders: bool,
}

/// Seconds between two loads where nothing else keeps the page fresh.
const RELOAD_S: u32 = 10;

/// The page for whoever may not see anything.
pub(super) fn stranger(assets: &Assets) -> String {
    let mut text = head(assets, "rminer", false);
    let _ = write!(
        text,
        "<body data-stranger>\n<main id=\"main\"><h1>rminer</h1>{}\
         <noscript><p>This page needs JavaScript to show the token of this device.</p></noscript></main>\n</body>\n</html>\n",
        pair_form(1)
    );
    text
}

/// The page with everything on it.
pub(super) fn page(assets: &Assets, seen: &Seen<'_>) -> String {
    let page = Page { seen, value: serde_json::to_value(seen.status).unwrap_or_default() };
    let status = seen.status;
    let title = format!("{}: {}", status.name, status.headline.text);
    let mut text = head(assets, &title, true);
    let shape = page.shape();
    let parts = [
        page.state(),
        page.numbers(),
        "<div class=\"two\">".to_owned(),
        page.chart(),
        page.devices(),
        "<div class=\"side\">".to_owned(),
        page.pool(),
        page.actions(),
        "</div>".to_owned(),
        FINDINGS.to_owned(),
        pair_form(2),
        "</div>".to_owned(),
    ];
    let _ = write!(
        text,
        "<body>\n<a class=\"skip\" href=\"#main\">To the numbers</a>\n<main id=\"main\" data-shape=\"{}\" data-quiet=\"{}\">\n\
         <header><h1>{}</h1><p>{} · rminer {} · running for {}</p></header>\n{}\
         <footer><p>Everything here comes from <a href=\"/api/v1/status\">/api/v1/status</a>; nothing is asked of any \
         other machine.</p></footer>\n</main>\n</body>\n</html>\n",
        escape(&shape),
        status.safety.quiet_pct.unwrap_or_default(),
        escape(&clean(&status.name)),
        escape(status.algo),
        escape(status.version),
        page.show("uptime_s", Form::Length),
        parts.concat(),
    );
    text
}

/// Rows that the script adds, when there is anything to tell.
const FINDINGS: &str = "<section id=\"explain\" hidden><h2>What happened</h2><ul class=\"findings\"></ul></section>\n\
                        <section id=\"doctor\" hidden><h2>What would help</h2><ul class=\"findings\"></ul></section>\n";

struct Page<'a> {
    seen: &'a Seen<'a>,
    value: Value,
}

impl Page<'_> {
    /// A value of the status, which the script keeps fresh.
    fn show(&self, path: &str, form: Form) -> String {
        let shown = form.show(self.lookup(path), self.seen.now_s);
        format!("<span data-v=\"{}|{}\">{}</span>", escape(path), form.name(), escape(&clean(&shown)))
    }

    fn lookup(&self, path: &str) -> &Value {
        path.split('.').fold(&self.value, |value, step| match step.parse::<usize>() {
            Ok(index) if value.is_array() => &value[index],
            _ => &value[step],
        })
    }

    /// What cannot change by new numbers alone: then the script asks for the page anew.
    fn shape(&self) -> String {
        let status = self.seen.status;
        let devices: Vec<&str> = status.devices.iter().map(|device| device.id.as_str()).collect();
        let pool = status.pool.as_ref().map_or(0, |pool| pool.index);
        let totals = &status.totals;
        let known = [totals.power_w.is_some(), totals.hottest.is_some(), totals.expected_hs.is_some()];
        let known = known.map(|known| if known { "1" } else { "0" }).concat();
        clean(&format!("{} {pool} {} {known}", devices.join(","), status.safety.limits.len()))
    }

    fn state(&self) -> String {
        let headline = &self.seen.status.headline;
        format!(
            "<section id=\"state\" data-level=\"{}\" data-order=\"{}\" aria-label=\"State\"><div><p class=\"line\">{}</p>\
             <p>{}</p></div>{}</section>\n\
             <p id=\"said\" class=\"unseen\" role=\"status\" aria-live=\"polite\"></p><p id=\"answer\" hidden></p>\n",
            headline.level,
            headline.order.unwrap_or_default(),
            self.show("headline.text", Form::Text),
            self.show("headline.detail", Form::Text),
            if self.seen.takes_orders {
                "<button type=\"button\" class=\"js on-pause\" data-post=\"pause\" data-body='{\"for_s\":600}'>Pause 10 min</button>\
                 <button type=\"button\" class=\"js on-resume\" data-post=\"resume\">Resume</button>\
                 <button type=\"button\" class=\"js on-full-speed\" data-post=\"limit\">Full speed</button>"
            } else {
                ""
            },
        )
    }

    fn numbers(&self) -> String {
        let status = self.seen.status;
        let cell = |name: &str, value: String, more: String| {
            format!("<div><dt>{name}</dt><dd><b>{value}</b><small>{more}</small></dd></div>")
        };
        let expected = match status.totals.expected_hs {
            Some(_) => format!(", {} of the bench", self.show("totals.of_expected_pct", Form::Percent)),
            None => String::new(),
        };
        let rate = cell(
            "Credited rate",
            self.show("totals.effective_hs", Form::Rate),
            format!(
                "{} by chance; computed {}{expected}",
                self.show("totals.effective_ci95_pct", Form::Chance),
                self.show("totals.hashrate_hs.60s", Form::Rate)
            ),
        );
        let power = cell(
            "Power",
            self.show("totals.power_w", Form::Watts),
            match status.totals.power_w {
                Some(_) => self.show("totals.j_per_kh", Form::Joules),
                None => "no sensor that this user may read".into(),
            },
        );
        let heat = cell(
            "Nearest to its limit",
            self.show("totals.hottest.temp_c", Form::Celsius),
            match &status.totals.hottest {
                None => "no sensor tells a temperature".into(),
                Some(_) => format!(
                    "{} {}, {} below {}",
                    self.show("totals.hottest.device", Form::Text),
                    self.show("totals.hottest.place", Form::Text),
                    self.show("totals.hottest.margin_c", Form::Celsius),
                    self.show("totals.hottest.limit_c", Form::Celsius)
                ),
            },
        );
        let shares = cell(
            "Shares taken",
            self.show("shares.accepted", Form::Count),
            format!(
                "{} stale, last {}",
                self.show("shares.stale", Form::Count),
                self.show("pool.last_accepted", Form::Ago)
            ),
        );
        format!("<dl class=\"four\">{rate}{power}{heat}{shares}</dl>\n")
    }

    fn chart(&self) -> String {
        let hours = self.seen.hours;
        let show = |values: &[Option<f64>], index: usize, form: Form| {
            let value = values.get(index).copied().flatten();
            value.map_or_else(|| UNKNOWN.to_owned(), |value| form.show(&value.into(), 0.0))
        };
        let mut rows = String::new();
        for index in (0..hours.raw_hs.len()).rev().filter(|index| hours.raw_hs[*index].is_some()) {
            // A day has few steps.
            #[allow(clippy::cast_precision_loss)]
            let time = rfc3339(hours.from_s as f64 + hours.step_s * index as f64);
            let _ = write!(
                rows,
                "<tr><th scope=row>{}<td>{}<td>{}<td>{}",
                time.get(11..16).unwrap_or_default(),
                show(&hours.raw_hs, index, Form::Rate),
                show(&hours.effective_hs, index, Form::Rate),
                show(&hours.temp_c, index, Form::Celsius),
            );
        }
        format!(
            "<section id=\"history\"><h2>The last <span id=\"span\">24 hours</span></h2>\
             <div class=\"js\" id=\"plot\" role=\"img\" aria-label=\"Chart of rates and temperature; the table below has its \
             numbers\"></div><p class=\"js\" id=\"legend\"><span class=\"l1\">computed</span> <span class=\"l2\">credited</span> \
             <span class=\"l3\">hottest</span> <span class=\"l4\">event</span></p>\
             <details><summary>As a table, by the hour</summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" \
             aria-label=\"Rates and temperature by the hour\"><table><thead><tr><th scope=\"col\">from (UTC)</th>\
             <th scope=\"col\">computed</th><th scope=\"col\">credited</th><th scope=\"col\">hottest</th></tr></thead><tbody>{rows}</tbody></table></div>\
             </details></section>\n"
        )
    }

    fn devices(&self) -> String {
        let status = self.seen.status;
        let has_bench = status.totals.expected_hs.is_some() && status.devices.len() == 1;
        let mut rows = String::new();
        for (index, device) in status.devices.iter().enumerate() {
            let show = |path: &str, form| self.show(&format!("devices.{index}.{path}"), form);
            let cell = |name: &str, value: String| format!("<td role=cell data-l=\"{name}\">{value}");
            let ratio = if has_bench {
                self.show("totals.of_expected_pct", Form::Percent)
            } else {
                show("of_best_pct", Form::Percent)
            };
            let _ = write!(
                rows,
                "<tr role=row><th role=rowheader scope=row>{} <small>{}</small>{}{}{}{}{}{}{}{}{}",
                escape(&clean(&device.id)),
                escape(&clean(&device.name)),
                cell("State", show("state", Form::Text)),
                cell("Rate", show("hashrate_hs.60s", Form::Rate)),
                cell(if has_bench { "Of bench" } else { "Of best" }, ratio),
                cell(
                    "Heat",
                    match device.temp_limit_c {
                        None => show("temp_c", Form::Heat),
                        Some(_) => format!(
                            "{} <small>of {}</small>",
                            show("temp_c", Form::Heat),
                            show("temp_limit_c", Form::Celsius)
                        ),
                    }
                ),
                cell("Power", show("power_w", Form::Watts)),
                cell("Fan", show("fan_pct", Form::Fans)),
                cell("Taken", show("shares.accepted", Form::Count)),
                cell("Stale", show("shares.stale", Form::Count)),
                cell("Bad", show("shares.bad", Form::Count)),
            );
        }
        let columns = [
            "Device",
            "State",
            "Rate",
            if has_bench { "Of bench" } else { "Of best" },
            "Heat",
            "Power",
            "Fan",
            "Taken",
            "Stale",
            "Bad",
        ];
        let columns = columns.map(|name| format!("<th role=columnheader scope=col>{name}")).concat();
        format!(
            "<section id=\"devices\"><h2>Devices</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Devices\">\
             <table class=\"cards\" role=\"table\" aria-label=\"Devices\"><thead role=rowgroup><tr role=row>{columns}<tbody role=rowgroup>{rows}</table>\
             </div></section>\n"
        )
    }

    fn pool(&self) -> String {
        let status = self.seen.status;
        let row = |name: &str, value: String| format!("<div><dt>{name}</dt><dd>{value}</dd></div>");
        let mut text = String::from("<section id=\"pool\"><h2>Pool</h2>");
        if let Some(pool) = &status.pool {
            let tls = match &pool.tls {
                Some(_) => format!("{}, certificate checked", self.show("pool.tls", Form::Text)),
                None => "not encrypted".into(),
            };
            let refused = ["low_difficulty", "duplicate", "unauthorized", "other"].map(|reason| {
                let count = self.show(&format!("shares.rejected.{reason}"), Form::Count);
                format!("{count} {}", reason.replace('_', " "))
            });
            text += "<dl class=\"rows\">";
            text += &row(
                "Address",
                format!("{} ({})", self.show("pool.url", Form::Text), self.show("pool.state", Form::Text)),
            );
            text += &row("As", self.show("pool.user", Form::Text));
            text += &row("Way", tls);
            text += &row("Ping", self.show("pool.ping_ms", Form::Millis));
            text += &row(
                "Answers in",
                format!(
                    "{}, 95 % in {}",
                    self.show("pool.answer_ms.p50", Form::Millis),
                    self.show("pool.answer_ms.p95", Form::Millis)
                ),
            );
            text += &row("Last share", self.show("pool.last_accepted", Form::Ago));
            text += &row("Difficulty", self.show("pool.difficulty", Form::Big));
            text += &row("Refused", refused.join(", "));
            text += "</dl>";
        } else {
            text += "<p>No pool is up.</p>";
        }
        if self.seen.pools.len() > 1 {
            text += "<ol class=\"pools\">";
            for pool in self.seen.pools {
                let now = if pool.active { " <b>now</b>" } else { "" };
                let switch = if pool.active || !self.seen.takes_orders {
                    String::new()
                } else {
                    format!(
                        "<button type=\"button\" class=\"js\" data-post=\"switch-pool\" data-body='{{\"pool\":{}}}'>Switch to \
                         pool {}</button>",
                        pool.index, pool.index
                    )
                };
                let _ = write!(text, "<li><span>{}{now}</span>{switch}</li>", escape(&clean(&pool.url)));
            }
            text += "</ol>";
        }
        text + "</section>\n"
    }

    fn actions(&self) -> String {
        if !self.seen.takes_orders {
            return "<section id=\"actions\"><h2>Orders</h2><p>None are taken: there is no token. A warning at the start of \
                    rminer says why.</p></section>\n"
                .into();
        }
        let button = |post: &str, body: &str, words: &str| {
            format!("<button type=\"button\" data-post=\"{post}\" data-body='{body}'>{words}</button>")
        };
        let quiet = self.seen.status.safety.quiet_pct.map(|percent| {
            button("limit", &format!("{{\"duty_percent\":{percent}}}"), &format!("Quiet ({percent} %)"))
        });
        format!(
            "<section id=\"actions\"><h2>Orders</h2><div class=\"js buttons\">{}{}{}{}{}{}</div>\
             <p class=\"js\" id=\"who\"></p><noscript><p>Without JavaScript this page loads itself anew every {RELOAD_S} s. \
             Orders: <code>rminer ctl pause</code>, <code>rminer ctl resume</code>.</p></noscript></section>\n",
            button("pause", "{\"for_s\":600}", "Pause 10 min"),
            button("pause", "{\"for_s\":3600}", "Pause 1 h"),
            button("pause", "{}", "Pause until I say"),
            button("resume", "{}", "Resume"),
            quiet.unwrap_or_default(),
            button("limit", "{}", "Full speed"),
        )
    }
}

/// Where a code is typed. On an open page it is there as long as this browser is not paired.
fn pair_form(level: u8) -> String {
    let heading = level.max(2);
    format!(
        "<section id=\"pair\" class=\"js\"><h{heading}>Pair this device</h{heading}>\
         <p id=\"pair-why\">Type <code>rminer ctl pair</code> in a terminal on the rig. Scan what it shows, or type its code \
         here.</p><form id=\"pair-form\" action=\"/\" method=\"get\"><label for=\"code\">Code</label><input id=\"code\" \
         autocomplete=\"one-time-code\" autocapitalize=\"characters\" spellcheck=\"false\" maxlength=\"16\" required \
         aria-describedby=\"pair-why pair-says\"><button>Pair</button></form><p id=\"pair-says\"></p></section>\n"
    )
}

fn head(assets: &Assets, title: &str, reloads: bool) -> String {
    let reload = if reloads {
        format!("<noscript><meta http-equiv=\"refresh\" content=\"{RELOAD_S}\"></noscript>\n")
    } else {
        String::new()
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n{reload}\
         <link rel=\"icon\" href=\"/assets/{}\">\n<link rel=\"stylesheet\" href=\"/assets/{}\">\n\
         <link rel=\"stylesheet\" href=\"/assets/{}\">\n<script defer src=\"/assets/{}\"></script>\n\
         <script type=\"module\" src=\"/assets/{}\"></script>\n</head>\n",
        escape(&clean(title)),
        assets.icon.name,
        assets.chart_style.name,
        assets.style.name,
        assets.chart_script.name,
        assets.script.name,
    )
}

/// Text that can stand between tags and in an attribute.
fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&#39;"),
            letter => shown.push(letter),
        }
    }
    shown
}
