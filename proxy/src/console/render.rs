//! Pages from templates that are compiled in: escaped by default, with two filters of our own.

use super::highlight::{escape, highlight};
use minijinja::{AutoEscape, Environment, Value};

const TEMPLATES: &[(&str, &str)] = &[
    ("layout.html", include_str!("templates/layout.html")),
    ("parts.html", include_str!("templates/parts.html")),
    ("welcome.html", include_str!("templates/welcome.html")),
    ("entered.html", include_str!("templates/entered.html")),
    ("pending.html", include_str!("templates/pending.html")),
    ("request.html", include_str!("templates/request.html")),
    ("history.html", include_str!("templates/history.html")),
    ("sessions.html", include_str!("templates/sessions.html")),
    ("recordings.html", include_str!("templates/recordings.html")),
    ("recording.html", include_str!("templates/recording.html")),
    ("replay.html", include_str!("templates/replay.html")),
    ("policies.html", include_str!("templates/policies.html")),
    ("health.html", include_str!("templates/health.html")),
    ("fail.html", include_str!("templates/fail.html")),
];

/// Characters of a statement in a list.
const SHORT: usize = 180;

/// The compiled templates.
pub(crate) struct Renderer {
    environment: Environment<'static>,
}

impl Renderer {
    pub(crate) fn new() -> Result<Self, minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::SemiStrict);
        environment.add_filter("sql", |text: String| Value::from_safe_string(highlight(&text)));
        environment.add_filter("visible", |text: String| {
            let mut html = String::new();
            escape(&text, &mut html);
            Value::from_safe_string(html)
        });
        environment.add_filter("clock", |text: String| text.replace('T', " ").replace('Z', " UTC"));
        environment.add_filter("lasting", lasting);
        environment.add_filter("moment", moment);
        environment.add_filter("short", |text: String| match text.char_indices().nth(SHORT) {
            None => text,
            Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        });
        for (name, source) in TEMPLATES {
            environment.add_template(name, source)?;
        }
        Ok(Self { environment })
    }

    pub(crate) fn render(&self, name: &str, context: Value) -> Result<String, minijinja::Error> {
        self.environment.get_template(name)?.render(context)
    }
}

/// A moment of the record (RFC 3339 with microseconds, UTC), to the second.
fn moment(text: String) -> String {
    text.get(..19).map_or(text.clone(), |text| format!("{} UTC", text.replace('T', " ")))
}

/// Seconds as people say them.
fn lasting(seconds: i64) -> String {
    match seconds {
        ..=0 => "no time".to_owned(),
        1..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
