//! How a line of the log looks: Synapse's standard format, or one JSON object as of its `TerseJsonFormatter`.

use std::fmt::{self, Debug};

use jiff::Zoned;
use serde_json::{Map, Value};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::config::LogFormat;

/// The target of the request log, whose message holds its fields already.
const ACCESS: &str = "synapse.access";

impl<S, N> FormatEvent<S, N> for LogFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let (metadata, fields) = (event.metadata(), Fields::of(event));
        match self {
            Self::Text => text(writer, metadata, &fields),
            Self::Json => json(writer, metadata, fields),
        }
    }
}

/// `time - logger - line - LEVEL - request - message`.
fn text(mut writer: Writer<'_>, metadata: &Metadata<'_>, fields: &Fields) -> fmt::Result {
    write!(
        writer,
        "{} - {} - {} - {} - {} - {}",
        Zoned::now().strftime("%Y-%m-%d %H:%M:%S,%3f"),
        fields.logger.as_deref().unwrap_or(metadata.target()),
        metadata.line().unwrap_or(0),
        level(*metadata.level()),
        fields.request.as_deref().unwrap_or("main"),
        fields.message,
    )?;
    if metadata.target() != ACCESS {
        fields.others.iter().try_for_each(|(name, value)| write!(writer, " {name}={value}"))?;
    }
    writer.write_char('\n')
}

/// `{"log": message, "namespace": logger, "level": …, "time": seconds since 1970, …fields}`.
fn json(mut writer: Writer<'_>, metadata: &Metadata<'_>, fields: Fields) -> fmt::Result {
    let mut line = Map::new();
    let namespace = fields.logger.unwrap_or_else(|| metadata.target().to_owned());
    line.insert("log".to_owned(), fields.message.into());
    line.insert("namespace".to_owned(), namespace.into());
    line.insert("level".to_owned(), level(*metadata.level()).into());
    line.insert("time".to_owned(), Zoned::now().timestamp().as_duration().as_secs_f64().into());
    line.extend(fields.request.map(|request| ("request".to_owned(), request.into())));
    line.extend(fields.others.into_iter().map(|(name, value)| (name.to_owned(), value)));
    writeln!(writer, "{}", Value::Object(line))
}

/// Python's names.
fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

/// The fields of an event, those apart that have a place of their own.
#[derive(Default)]
struct Fields {
    message: String,
    logger: Option<String>,
    request: Option<String>,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn of(event: &Event<'_>) -> Self {
        let mut fields = Self::default();
        event.record(&mut fields);
        fields
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.others.push((field.name(), value.into()));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        // A value of a client's must not be able to begin a line of its own.
        let value =
            if value.contains(['\n', '\r']) { value.escape_debug().to_string() } else { value.to_owned() };
        match field.name() {
            "message" => self.message = value,
            "logger" => self.logger = Some(value),
            "request" => self.request = Some(value),
            name => self.others.push((name, value.into())),
        }
    }
}
